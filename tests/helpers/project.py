"""A tiny copy of the project in a temporary git repository, where real `dvc` commands run."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from helpers.places import REPOSITORY
from helpers.warm_python import INTERPRETED

TINY = {
    "data": {"aspects": ["PQ", "PC"]},
    "corpus": {
        "train_per_source": 4,
        "valid_per_source": 2,
        "systems": 3,
        "clips_per_system": 2,
        "counterfactuals": 3,
        "clip_seconds": 2.0,
    },
    "audio": {"clip_seconds": 2.0},
    "kmeans": {"k": 3},
    "seeds": [0, 1],
    "evaluate": {"references": ["ridge"]},
    "train": {"epochs": 2, "batch_size": 8},
    "granularity": {"strategies": ["dat_kmeans"], "k": [2], "seeds": 2},
    "umap": {"strategies": ["dat_source"], "neighbors": 5},
}


class Project:
    """A repository on disk and the commands a user types in it.

    Args:
        folder: of the repository.
        python: a folder with a `python` that stages are run by (`helpers.warm_python`); None for that of the tests.
    """

    def __init__(self, folder: Path, python: Path | None = None) -> None:
        self.folder, self.python = folder, python

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command; `dvc` is that of the tests."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(self.python),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}")
        return result

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command and do not wait for it; `python` is a fresh one, which can be killed."""
        environment = self._environment(None)
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def _environment(self, python: Path | None) -> dict[str, str]:
        folders = [python, Path(sys.executable).parent, os.environ["PATH"]]
        return os.environ | {
            "PATH": os.pathsep.join(str(folder) for folder in folders if folder is not None),
            **INTERPRETED,
            "HF_HUB_OFFLINE": "1",  # a hub is never reached, whatever the machine
            **{
                f"GIT_{role}_{key}": "test@example.org"
                for role in ("AUTHOR", "COMMITTER")
                for key in ("NAME", "EMAIL")
            },
        }

    def stages_run(self, *command: str) -> set[str]:
        """Run a dvc command and return the stages it executed."""
        return set(re.findall(r"Running stage '([^']+)'", self.run(*command).stdout))

    def outputs(self) -> dict[str, str]:
        """Content hashes of everything the pipeline has written."""
        files = [
            path
            for top in ("data", "metrics", "plots")
            for path in (self.folder / top).rglob("*")
            if path.is_file()
        ]
        return {str(f.relative_to(self.folder)): hashlib.md5(f.read_bytes()).hexdigest() for f in files}

    def outs(self) -> dict[str, dict[str, str]]:
        """Hashes of the outputs of every stage in dvc.lock, by path."""
        stages = yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"]
        return {stage: {out["path"]: out["md5"] for out in own["outs"]} for stage, own in stages.items()}

    def copy(self, folder: Path, python: Path) -> "Project":
        """Copy everything, git's and DVC's folders too: nothing is shared, whatever a test does to its copy."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, python)


def make_project(folder: Path, python: Path | None = None) -> Project:
    """Copy what git would clone, shrink the params, and run the pipeline."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if name.endswith(".gitkeep") or not name.startswith(("tests/", "metrics/", "plots/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in TINY.items():
        params[section] = params[section] | values if isinstance(values, dict) else values
    kept = ("baseline", "dat_source", "dat_kmeans", "dat_multi")  # the others are more of the same kind
    params["strategies"] = {name: params["strategies"][name] for name in kept}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    project = Project(folder, python)
    project.run("git", "init", "--quiet")
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "-m", "start")
    project.run("dvc", "repro")
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "-m", "results")
    return project
