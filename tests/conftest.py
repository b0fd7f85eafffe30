"""What several tests need."""

from pathlib import Path

import pytest
import torch

from made_up_task import World, make_world

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

torch.set_num_threads(1)  # tests' models are tiny: threads would only wait for one another


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference data beside the repository; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"reference data not found: {SHARED}")
    return SHARED


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The made-up task of training, in a folder of its own: checkpoints are written below the current one."""
    monkeypatch.chdir(tmp_path)
    return make_world(tmp_path / "embeddings")
