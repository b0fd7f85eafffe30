"""A tiny project, built from nothing once a run: tests that only look share it, tests that change it get a copy.

Stages are forked from a process that has done their imports (tests/test_startup.py runs each in a fresh one).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.project import Project, make_project
from helpers.warm_python import warm_python


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str, python: Path) -> Project:
    """The project after `dvc repro`, which all processes of this run share: for looking only."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "project"
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.is_file():
            make_project(folder, python)
            done.touch()
    return Project(folder, python)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a `python` that starts at once."""
    with warm_python(tmp_path_factory.mktemp("python")) as folder:
        yield folder


@pytest.fixture
def project(built: Project, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project after `dvc repro`, for one test alone; its folder is not in that of the test."""
    return built.copy(tmp_path_factory.mktemp("copy") / "project", python)
