"""dvc.yaml tells the truth: what a stage depends on is what it reads."""

import ast
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from datmos.domains.rules import DOMAIN_RULES
from datmos.heads.registry import HEADS
from datmos.params.schema import BRANCHES, NUMBERED, DomainRule, Params, StrategyParams
from datmos.training.invariance import INVARIANCES
from datmos.training.losses import TASK_LOSSES
from helpers.places import REPOSITORY

PIPELINE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
PARAMS = yaml.safe_load((REPOSITORY / "params.yaml").read_text())


def body(stage: str) -> dict[str, Any]:
    definition = PIPELINE["stages"][stage]
    return definition.get("do", definition)


@cache
def imported_modules(path: Path) -> frozenset[Path]:
    """Files of src/datmos that a file imports, anywhere in it, directly or through another one."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    found = set()
    for name in names:
        file = REPOSITORY / "src" / Path(*name.split(".")).with_suffix(".py")
        if name.startswith("datmos") and file.is_file() and file != path:
            found |= {file} | imported_modules(file)
    return frozenset(found)


def test_imported_modules_sees_nested_and_indirect_imports(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def f():\n    from datmos.training.losses import gaussian_nll\n")
    names = {path.name for path in imported_modules(script)}
    assert names == {"losses.py", "interface.py", "stacked.py"}


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_code_deps_are_the_folders_of_the_import_closure(stage: str) -> None:
    """None is missing, so that a change of code reruns what it may change; and none is idle."""
    deps = body(stage)["deps"]
    (script,) = (word for word in body(stage)["cmd"].split() if word.startswith("stages/"))
    assert script in deps
    listed = [dep for dep in deps if dep.startswith("src/")]
    assert all((REPOSITORY / folder).is_dir() for folder in listed)
    assert sorted(listed) == sorted({package_folder(path) for path in imported_modules(REPOSITORY / script)})


def package_folder(path: Path) -> str:
    """src/datmos/<package> of a file anywhere below it."""
    return str(Path(*path.relative_to(REPOSITORY).parts[:3]))


def test_packages_import_nothing() -> None:
    """Else every stage would depend on whatever an __init__.py imports."""
    for path in (REPOSITORY / "src").rglob("__init__.py"):
        assert imported_modules(path) == frozenset(), path


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


def test_every_domain_rule_has_a_stage_and_an_entry_in_params() -> None:
    stages = PIPELINE["stages"]["domains"]["foreach"]
    assert set(stages) == {*DOMAIN_RULES, *BRANCHES}
    assert set(DOMAIN_RULES) <= set(Params.model_fields)
    for name, rules in BRANCHES.items():
        assert set(rules) <= set(DOMAIN_RULES)
        assert {*stages[name].values()} == set(rules)


def test_domains_in_the_schema_are_the_rules() -> None:
    assert set(get_args(DomainRule)) == {*DOMAIN_RULES, *BRANCHES}
    assert set(NUMBERED) <= set(get_args(DomainRule))


def test_names_in_the_schema_are_the_registries() -> None:
    for field, registry in (("head", HEADS), ("loss", TASK_LOSSES), ("invariance", INVARIANCES)):
        assert set(get_args(StrategyParams.model_fields[field].annotation)) == set(registry)


def test_the_report_shows_every_setting_that_changes_a_result() -> None:
    assert set(body("report")["params"]) == set(PARAMS) - {"embed"}
