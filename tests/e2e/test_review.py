"""docs/review-workflow.yaml: its shell commands, as GitHub would run them on a pull request."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from helpers.places import REPOSITORY
from helpers.project import Project

WORKFLOW = REPOSITORY / "docs/review-workflow.yaml"
GH = 'gh() { printf "%s\\n" "$@" > gh.txt; }\n'  # stands for GitHub's own command
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # what `shell: bash` stands for


@pytest.mark.e2e
@pytest.mark.takes(20)
def test_the_workflow_says_what_a_pull_request_changes(project: Project, python: Path, tmp_path: Path) -> None:
    base = project.run("git", "branch", "--show-current").stdout.strip()
    with (project.folder / ".dvc/config").open("a") as config:  # a cache is laid out as a remote is
        config.write(f"    remote = storage\n['remote \"storage\"']\n    url = {project.folder / '.dvc/cache'}\n")
    project.run("git", "commit", "--quiet", "--all", "-m", "remote")
    project.run("git", "switch", "--quiet", "--create", "change")
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    del params["strategies"]["dat_multi"]
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    project.run("git", "commit", "--quiet", "--all", "-m", "without dat_multi")  # whose author has not run it
    runner = Project(tmp_path / "runner", python)
    project.run("git", "clone", "--quiet", ".", str(runner.folder))

    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    given = {"BASE": f"origin/{base}", "NUMBER": "7", "GITHUB_SERVER_URL": "https://x", "GITHUB_REPOSITORY": "a/b"}
    asked = {**job["env"], **job["steps"][-1]["env"]}
    assert set(asked) == {"BASE", "NUMBER", "GH_TOKEN"}
    assert asked["BASE"] == "origin/${{ github.base_ref }}"
    variables = [f"{name}={value}" for name, value in (given | {"GITHUB_RUN_ID": "1"}).items()]
    for step in job["steps"]:
        if "run" in step and step["name"] != "Install":
            assert "${{" not in step["run"]  # names of branches are text, never code
            runner.run("env", *variables, *BASH, GH + step["run"])

    comment = (runner.folder / "comment.md").read_text()
    assert re.search(r"^\| params.yaml +\| strategies.dat_multi.lambda +\|", comment, re.MULTILINE)
    assert re.search(r"^\| metrics/scores.json +\| dat_multi.PQ.mse +\|", comment, re.MULTILINE)
    assert "modified:           strategies" in comment  # dvc status
    ran = [line for line in comment.splitlines() if line.startswith("Running stage")]
    assert ran == [f"Running stage '{name}':" for name in ("evaluate", "figures", "report")]
    assert " dvc.lock " in comment
    assert "(https://x/a/b/actions/runs/1)" in comment
    uploaded = next(step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    plots = (runner.folder / uploaded / "index.html").read_text()
    assert all(f'"rev": "{revision}"' in plots for revision in ("workspace", f"origin/{base}"))
    assert (runner.folder / "gh.txt").read_text().split()[:5] == shlex.split("pr comment 7 --body-file comment.md")


def test_what_the_page_about_reviews_names_is_there() -> None:
    page = (REPOSITORY / "docs/review.md").read_text()
    assert "(review-workflow.yaml)" in page
    assert len(page.split()) <= 350
    for name in ("metrics/tables/significance.md", "tests/e2e/test_review.py"):
        assert f"`{name}`" in page
        assert (REPOSITORY / name).is_file()
