"""A tiny project for each worker, built from nothing and used by all its end-to-end tests."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.project import Project, make_project


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def number(worker_id: str) -> int:
    """Which project is this worker's: nobody else's tests touch it."""
    return int(worker_id.removeprefix("gw")) if worker_id != "master" else 0


@pytest.fixture(scope="session")
def built(common: Path, number: int) -> Project:
    """The project after `dvc repro`; use `project`, which puts it back afterwards."""
    return Project(build(common, number).with_suffix(""))


@pytest.fixture
def project(built: Project) -> Iterator[Project]:
    """The project after `dvc repro`, put back after the test."""
    yield built
    built.go_back()


@pytest.fixture
def fresh_runs(common: Path, number: int) -> list[dict[str, str]]:
    """What `dvc repro` wrote in this worker's project, and in another that was built from nothing too.

    The other one is another worker's wherever there is one, so that nothing is built for this alone.
    """
    return [json.loads(build(common, n).read_text()) for n in (number, 1 if number == 0 else 0)]


def build(common: Path, number: int) -> Path:
    """Build a project unless some worker has; returns the file beside it that says what was written."""
    written = common / f"project_{number}.json"
    with FileLock(written.with_suffix(".lock")):
        if not written.is_file():
            project = make_project(written.with_suffix(""))
            lock = (project.folder / "dvc.lock").read_text()
            written.write_text(json.dumps({"dvc.lock": lock} | project.outputs()))
    return written
