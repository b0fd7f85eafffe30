"""What several tests need."""

import os
import signal
from pathlib import Path

import pytest

# One thread, for these tests and all that they start, and before torch is imported. Tests' models are tiny, so
# threads would only wait for one another; and threads that spin while they wait take the core from the worker
# beside this one, which then makes the first ones wait: twenty times slower.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
# UMAP lays out a few dozen points here. Compiling it would take longer; `make run` compiles it.
os.environ |= {"NUMBA_DISABLE_JIT": "1"}

from helpers.made_up_task import World, make_world
from helpers.places import SHARED

# A shell ignores Ctrl-C for what it starts in its background, and so would all that tests start, and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first (mark `takes`), so that all processes end at about the same time.

    The first one builds the project that others copy. Tests that do without it follow, so that no process waits.
    """

    def seconds(item: pytest.Item) -> float:
        mark = item.get_closest_marker("takes")
        return -mark.args[0] if mark else 0

    items.sort(key=seconds)
    builder = next((item for item in items if "built" in getattr(item, "fixturenames", ())), None)
    if builder is not None:
        without = [item for item in items if "built" not in getattr(item, "fixturenames", ())][:3]
        first = [builder, *without]
        items[:] = first + [item for item in items if item not in first]
