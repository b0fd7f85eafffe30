"""Where people put a project: other kinds of links, other machines, larger repositories, and none at all."""

import json
import shutil
from pathlib import Path

import pytest

from helpers.project import Project


@pytest.mark.takes(30)
def test_a_cache_of_links_stays_whole(project: Project) -> None:
    """A stage that wrote into a linked file would change what an earlier run has left in the cache."""
    before = project.outputs()
    project.run("dvc", "config", "cache.type", "hardlink")
    project.run("dvc", "checkout", "--relink")
    linked = [path for path in (project.folder / "data").rglob("*.parquet") if path.lstat().st_nlink > 1]
    assert linked
    project.run("dvc", "exp", "run", "-S", "kmeans.k=2")
    assert project.outputs() != before
    project.run("git", "checkout", "--force", "HEAD", "--", "params.yaml", "dvc.lock", "metrics", "plots")
    project.run("dvc", "checkout")
    assert project.outputs() == before


@pytest.mark.takes(20)
def test_a_second_person_pulls_it_into_a_larger_repository_with_spaces_in_its_path(
    project: Project, tmp_path: Path, python: Path
) -> None:
    project.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    project.run("dvc", "push")
    larger = tmp_path / "all our work"
    theirs = Project(larger / "rating models", python)
    for name in project.run("git", "ls-files").stdout.splitlines():
        (theirs.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project.folder / name, theirs.folder / name)
    Project(larger).run("git", "init", "--quiet")
    theirs.run("dvc", "init", "--subdir", "--force", "--quiet")
    theirs.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    theirs.run("dvc", "pull")
    assert json.loads(theirs.run("dvc", "status", "--json").stdout) == {}
    assert theirs.outputs() == project.outputs()
    theirs.run("git", "add", ".")
    theirs.run("git", "commit", "--quiet", "-m", "theirs")
    assert theirs.stages_run("dvc", "exp", "run", "-S", "umap.neighbors=4") == {"figures", "report"}


@pytest.mark.takes(10)
def test_it_runs_without_git(project: Project) -> None:
    shutil.rmtree(project.folder / ".git")
    project.run("dvc", "config", "core.no_scm", "true")
    path = project.folder / "params.yaml"
    path.write_text(path.read_text().replace("neighbors: 5", "neighbors: 4"))
    assert project.stages_run("dvc", "repro") == {"figures", "report"}


@pytest.mark.takes(20)
def test_of_two_runs_at_once_one_waits_or_says_so(project: Project) -> None:
    path = project.folder / "params.yaml"
    path.write_text(path.read_text().replace("neighbors: 5", "neighbors: 4"))
    both = [project.start("dvc", "repro") for _ in range(2)]
    said = {process.wait(): process.stderr.read().decode() if process.stderr else "" for process in both}
    assert 0 in said
    assert all("lock" in text for status, text in said.items() if status)
    assert project.stages_run("dvc", "repro") == set()
