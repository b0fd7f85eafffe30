"""What several tests need."""

from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

torch.set_num_threads(1)  # tests' models are tiny: threads would only wait for one another


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference data beside the repository; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"reference data not found: {SHARED}")
    return SHARED
