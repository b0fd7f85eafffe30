"""One tiny project for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from project import Project, make_project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after `dvc repro`; use `project`, which puts it back afterwards."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(built: Project) -> Iterator[Project]:
    """The project after `dvc repro`, put back after the test."""
    yield built
    built.go_back()
