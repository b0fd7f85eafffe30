"""dvc.yaml tells the truth: what a stage depends on is what it reads."""

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from datmos.core.paths import OUTPUTS
from datmos.domains.settings import RULES
from datmos.params.schema import Params
from helpers.imports import CHECKS_ONLY, SOURCE, closure_of, package_of
from helpers.places import REPOSITORY

PIPELINE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
PARAMS = yaml.safe_load((REPOSITORY / "params.yaml").read_text())


def body(stage: str) -> dict[str, Any]:
    definition = PIPELINE["stages"][stage]
    return definition.get("do", definition)


def test_the_closure_sees_nested_and_indirect_imports_and_registries(tmp_path: Path) -> None:
    expected = {"losses.py", "interface.py", "stacked.py", "statistics.py"}
    script = tmp_path / "imports.py"
    script.write_text("def f():\n    from datmos.training.losses import gaussian_nll\n")
    assert {path.name for path in closure_of(script)} == expected
    script = tmp_path / "names.py"
    script.write_text("X = {'a': 'datmos.training.losses.gaussian_nll'}\n")
    assert {path.name for path in closure_of(script)} == expected
    script = tmp_path / "checks.py"
    script.write_text("from datmos.params.schema import load_params\n")
    assert closure_of(script) == frozenset()


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_code_deps_are_the_folders_of_the_import_closure(stage: str) -> None:
    """None is missing, so that a change of code reruns what it may change; and none is idle."""
    deps = body(stage)["deps"]
    (script,) = (word for word in body(stage)["cmd"].split() if word.startswith("stages/"))
    assert script in deps
    listed = [dep for dep in deps if dep.startswith("src/")]
    assert all((REPOSITORY / folder).is_dir() for folder in listed)
    assert sorted(listed) == sorted({f"src/datmos/{package_of(path)}" for path in closure_of(REPOSITORY / script)})


def test_git_ignores_what_dvc_keeps_and_nothing_else_in_data() -> None:
    """A rule that ignores all of data/ would hide the files by which DVC knows a user's own audio there."""
    kept = [path for stage in PIPELINE["stages"] for out in body(stage)["outs"] if (path := cached_path(out))]
    assert len(kept) > 15
    others = ["data/mine.dvc", "data/.gitignore", "data/README.md", "data/"]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *kept, *others],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert ignored == kept


def cached_path(out: str | dict[str, Any]) -> str | None:
    """The path of an output that DVC keeps in its cache, with some name in place of variables; None of others."""
    path, options = path_and_options(out)
    return None if options.get("cache") is False else re.sub(r"\$\{.*?\}", "some", path)


def path_and_options(out: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return (out, {}) if isinstance(out, str) else next(iter(out.items()))


def test_the_library_knows_the_folders_that_stages_write() -> None:
    """Or a user's own clips could lie in one."""
    written = [
        Path(path_and_options(out)[0])
        for stage in PIPELINE["stages"]
        for kind in ("outs", "metrics", "plots")
        for out in body(stage).get(kind, [])
    ]
    inside = {path: [known for known in OUTPUTS if path.is_relative_to(known)] for path in written}
    assert [path for path, known in inside.items() if not known and not path.suffix] == []
    assert {known for found in inside.values() for known in found} == set(OUTPUTS)


def test_no_name_reaches_a_shell() -> None:
    """DVC puts names of params.yaml into commands as they are; launchers alone are meant to be commands."""
    pasted = {name for stage in PIPELINE["stages"] for name in re.findall(r"\$\{(.*?)\}", body(stage)["cmd"])}
    assert pasted == {"embed.launcher", "finetune.launcher"}


def test_the_default_run_is_21_instances_of_stages() -> None:
    listed = [one for name in PIPELINE["stages"] for one in instances(name)]
    assert len(listed) <= 21


def instances(stage: str) -> list[str]:
    items = PIPELINE["stages"][stage].get("foreach")
    return (
        [stage]
        if items is None
        else [f"{stage}@{key}" for key in lookup(items.removeprefix("${").removesuffix("}"))]
    )


COSTLY = {"embed", "set_embed", "train", "granularity", "finetune"}


@pytest.mark.parametrize("stage", sorted(COSTLY))
def test_no_edit_of_results_reruns_a_costly_stage(stage: str) -> None:
    """Nor does a new option in the schema: a section's file is in the package that reads it."""
    cheap = {"evaluation", "comparison", "report", "scoring", "sharing", "commands", "params", "datasets"}
    assert {dep.split("/")[2] for dep in body(stage)["deps"] if dep.startswith("src/")}.isdisjoint(cheap)


DATA = {"corpus", "manifest", "domains"}


@pytest.mark.parametrize("package", ["core", "audio", "domains", "heads", "embedding", "training", "ablations"])
def test_what_only_commands_use_is_in_no_package_that_data_and_models_depend_on(package: str) -> None:
    """A file that none of their stages runs would make them run again whenever it is edited."""
    scripts = {next(w for w in body(stage)["cmd"].split() if w.startswith("stages/")) for stage in COSTLY | DATA}
    used = {file for script in scripts for file in closure_of(REPOSITORY / script)}
    idle = {file.name for file in (SOURCE / package).rglob("*.py")} - {file.name for file in used} - {"__init__.py"}
    assert idle == set()


def test_a_change_of_k_or_lambda_trains_one_kind_of_strategy() -> None:
    """What depends on kmeans.k, by params or through files, trains with domains of K-means and nothing else."""
    train = body("train")
    assert not [name for name in train["params"] if name.startswith(("kmeans", "source", "random"))]
    assert "data/domains/${item.domains}.parquet" in train["deps"]
    assert "strategies.${key}" in train["params"]
    assert not [name for name in train["params"] if name == "strategies"]


def test_every_stage_says_what_it_does() -> None:
    for name in PIPELINE["stages"]:
        assert 20 < len(body(name)["desc"]) < 60, name  # fits a line of `dvc stage list`
    assert len((REPOSITORY / "dvc.yaml").read_text().splitlines()) <= 300


def test_the_schema_changes_no_value() -> None:
    """Else what it changes would have to rerun what reads it; so a default is for its section's package to give."""
    assert [name for name, field in Params.model_fields.items() if not field.is_required()] == []
    (own,) = (node for node in ast.parse(CHECKS_ONLY.read_text()).body if getattr(node, "name", "") == "Params")
    made = [node.name for node in own.body if isinstance(node, ast.FunctionDef)]
    assert made == ["domains", "_check", "_check_names", "_check_strategy"]  # the first only groups sections


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_every_params_key_exists(stage: str) -> None:
    definition = PIPELINE["stages"][stage]
    items = definition.get("foreach", {"": None})
    if isinstance(items, str):
        items = lookup(items.removeprefix("${").removesuffix("}"))
    for key in items:
        for entry in body(stage).get("params", []):
            name = entry.replace("${key}", key).replace("${item}", key)
            if "${item." in name:
                name = items[key][name.removeprefix("${item.").removesuffix("}")]
            lookup(name)


def lookup(name: str) -> Any:
    value = PARAMS
    for part in name.split("."):
        value = value[part]
    return value


def test_every_domain_rule_has_an_output_and_its_labels_an_entry_in_params() -> None:
    written = {next(iter(out)) for out in body("domains")["outs"]}
    assert written == {f"data/domains/{name}.parquet" for name in RULES} | {"data/details/domains.json"}
    assert {label for rule in RULES.values() for label in rule.labels} <= set(body("domains")["params"])


def test_the_report_shows_every_setting_that_changes_a_result() -> None:
    assert set(body("report")["params"]) == set(PARAMS) - {"embed"}
