"""What several tests of scoring need."""

import os
from pathlib import Path

import pytest

from helpers.trained import Trained, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A tiny trained project."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    os.chdir(folder)  # checkpoints of training are written below the current folder
    try:
        return train(folder)
    finally:
        os.chdir(before)
