"""Where a predictor comes from: settings, data, results, and the state of git and DVC that they belong to."""

import copy
import hashlib
import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from datmos.core.errors import DatmosError
from datmos.core.files import read_json
from datmos.core.paths import DETAILS, PREDICTIONS

COUNTED = ("clips", "excluded", "hours", "systems", "aspects")  # of manifest.json, for each split
REPORTED_METRICS = ("mse", "srcc")
RESULTS = ("strategies", "significance", "ceilings", "uncertainty")  # files of data/details/ that are reported


def describe_provenance(project: Path, name: str, models: Path) -> dict[str, Any]:
    """Collect what is known about the origin of a strategy's models.

    Args:
        project: folder of the pipeline, with params.yaml, dvc.lock and data/details/.
        name: of the strategy.
        models: its folder, one of the pipeline's outputs.

    Returns:
        ``datmos`` (version), ``git``, ``dvc``, ``params``, ``data`` (counts a split) and ``results`` (system-level,
        by aspect); None for each that is not there. ``git``: revision, and whether files differ from it. ``dvc``:
        stage and hash of dvc.lock, and what no longer is as dvc.lock says.

    Raises:
        DatmosError: dvc.lock can't be read.
    """
    lock = _read_lock(project / "dvc.lock")
    details = project / DETAILS
    return {
        "datmos": version("datmos"),
        "name": name,
        "git": _describe_git(project),
        "dvc": _describe_dvc(project, models, lock),
        "params": _params(lock, _find_output(lock, _relative(models, project))),
        "data": _counts(details / "manifest.json"),
        "results": _results(details, name),
    }


def differences(provenance: Mapping[str, Any]) -> list[str]:
    """Say, a sentence each, why the results may not be those of exactly these models and files."""
    found = []
    if provenance["git"] is None:
        found.append("The project is not in a git repository: no revision is known.")
    elif provenance["git"]["changed"]:
        found.append(f"Files differ from git revision {provenance['git']['revision'][:12]}.")
    if provenance["dvc"] is None:
        found.append("dvc.lock has no entry for the models: run `dvc repro`.")
    elif provenance["dvc"]["differs"]:
        changed = ", ".join(provenance["dvc"]["differs"])
        found.append(f"Not what dvc.lock says: {changed}. Run `dvc repro`, or `git checkout . && dvc checkout`.")
    if provenance["results"] is None:
        found.append("It has not been evaluated: data/details/ has no results of it. Run `dvc repro`.")
    return found


def folder_md5(folder: Path) -> str:
    """Return the hash that DVC gives a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [{"md5": file_md5(path), "relpath": path.relative_to(folder).as_posix()} for path in files]
    listed.sort(key=lambda entry: entry["relpath"].split("/"))
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def file_md5(path: Path) -> str:
    """Return the hash that DVC gives a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()


def _read_lock(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        stages: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["stages"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DatmosError(f"{path}: can't be read as what `dvc repro` writes ({error})") from None
    return stages


def _find_output(lock: Mapping[str, Any], path: str) -> tuple[str, str] | None:
    """Return the stage that wrote ``path``, and its hash."""
    for stage, entry in lock.items():
        for out in entry.get("outs", []):
            if out["path"] == path:
                return stage, out["md5"]
    return None


def _relative(path: Path, project: Path) -> str:
    return path.resolve().relative_to(project.resolve()).as_posix()


def _describe_dvc(project: Path, models: Path, lock: Mapping[str, Any]) -> dict[str, Any] | None:
    made = _find_output(lock, _relative(models, project))
    if made is None:
        return None
    differs = [] if folder_md5(models) == made[1] else [_relative(models, project)]
    return {"stage": made[0], "md5": made[1], "differs": [*differs, *_stale_results(project, lock)]}


def _stale_results(project: Path, lock: Mapping[str, Any]) -> list[str]:
    """Return the files of results that are not those of dvc.lock, or not of the predictions that are there."""
    found, predictions = [], project / PREDICTIONS
    present = folder_md5(predictions) if predictions.is_dir() else None
    for file in ((DETAILS / f"{name}.json").as_posix() for name in RESULTS):
        made = _find_output(lock, file)
        if not (project / file).is_file():
            continue
        if made is None or file_md5(project / file) != made[1]:
            found.append(file)
            continue
        read = {dep["path"]: dep["md5"] for dep in lock[made[0]]["deps"]}
        if present is not None and read.get(PREDICTIONS.as_posix()) != present:
            found.append(file)
    return found


def _params(lock: Mapping[str, Any], made: tuple[str, str] | None) -> dict[str, Any] | None:
    """Collect the params of the stage that made the models and of all before it, laid out as in params.yaml."""
    if made is None:
        return None
    writer = {out["path"]: stage for stage, entry in lock.items() for out in entry.get("outs", [])}
    found: dict[str, Any] = {}
    waiting, seen = [made[0]], set()
    while waiting:
        stage = waiting.pop()
        if stage in seen:
            continue
        seen.add(stage)
        found |= lock[stage].get("params", {}).get("params.yaml", {})
        for dep in lock[stage].get("deps", []):
            # a folder that is read as a whole, such as data/models, has several writers
            waiting += [
                writer[path] for path in writer if path == dep["path"] or path.startswith(dep["path"] + "/")
            ]
    nested: dict[str, Any] = {}
    for key, value in sorted(found.items()):  # a stage may name data, another data.scale: sections come first
        *sections, last = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = copy.deepcopy(value)
    without: dict[str, Any] = _without_places(nested)
    return without


def _without_places(value: Any) -> Any:
    """Shorten absolute paths, which tell about a machine and nothing about the models, to their last part."""
    if isinstance(value, dict):
        return {key: _without_places(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_places(item) for item in value]
    return f".../{Path(value).name}" if isinstance(value, str) and value.startswith(("/", "~")) else value


def _describe_git(project: Path) -> dict[str, Any] | None:
    revision = _git(project, "rev-parse", "HEAD")
    if revision is None:
        return None
    changed = _git(project, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision.strip(), "changed": bool(changed and changed.strip())}


def _git(project: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:  # no git on this machine
        return None
    return result.stdout if result.returncode == 0 else None


def _counts(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    return {
        split: {key: own[key] for key in COUNTED} | {"sources": own["sources"]}
        for split, own in read_json(path).items()
    }


def _results(details: Path, name: str) -> dict[str, Any] | None:
    """Collect system-level results, their 95% intervals, the noise ceilings and who else was compared."""
    scores, significance, ceilings, every_uncertainty = (_read(details / f"{file}.json") for file in RESULTS)
    if name not in scores:
        return None
    uncertainty = every_uncertainty.get(name, {})
    compared: dict[str, Any] = significance.get("scores", {})
    rivals = {other: own for other, own in sorted(scores.items()) if other != name}
    found = {}
    for aspect, levels in scores[name].items():
        found[aspect] = {"evaluated_on": levels["evaluated_on"]}
        for metric in REPORTED_METRICS:
            others = {
                other: own[aspect]["system"][metric]["mean"] for other, own in rivals.items() if aspect in own
            }
            found[aspect][metric] = {
                "mean": levels["system"][metric]["mean"],
                "ensemble": levels["system"][metric]["ensemble"],
                "interval": compared.get(aspect, {}).get(name, {}).get(metric),
                "ceiling": ceilings.get(aspect, {}).get("system", {}).get(metric),
                "others": others,
            }
        coverage = uncertainty.get("aspects", {}).get(aspect, {}).get("coverage_95")
        found[aspect]["coverage_95"] = coverage and coverage["ensemble"]
    return found


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    return found
