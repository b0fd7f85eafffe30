"""The house: packages on floors, and who may import whom."""

import ast
from graphlib import TopologicalSorter

import pytest

from helpers.imports import SOURCE, imports_of, package_of

FLOORS = [
    ["core"],
    ["audio", "domains", "heads"],
    ["datasets", "embedding", "training", "evaluation"],
    ["audiobox", "ablations"],
    ["params"],
    ["scoring", "comparison"],
    ["report"],
    ["sharing"],
    ["commands"],
]
# package -> the packages that its files import, and no others
IMPORTS = {
    "core": [],
    "audio": ["core"],
    "domains": ["core"],
    "heads": ["core"],
    "datasets": ["core", "audio"],
    "embedding": ["core", "audio"],
    "training": ["core", "heads"],
    "evaluation": ["core"],
    "audiobox": ["core", "audio", "domains", "heads", "training"],
    "ablations": ["core", "domains", "heads", "training"],
    "params": [
        "core", "audio", "domains", "heads", "datasets", "embedding", "training", "evaluation", "audiobox",
        "ablations",
    ],
    "comparison": ["core", "evaluation", "params"],
    "scoring": ["core", "audio", "heads", "datasets", "embedding", "audiobox"],
    "report": ["core", "evaluation", "comparison", "params"],
    "sharing": ["core", "audio", "heads", "scoring", "report"],
    "commands": [
        "core", "domains", "heads", "datasets", "training", "evaluation", "ablations", "params", "scoring",
        "sharing",
    ],
}  # fmt: skip


def test_at_the_root_are_packages_and_nothing_else() -> None:
    found = {path.name for path in SOURCE.iterdir() if path.name != "__pycache__"}
    assert found == {"__init__.py", *IMPORTS}
    assert sorted(IMPORTS) == sorted(package for floor in FLOORS for package in floor)
    assert len(IMPORTS) <= 16
    assert len(FLOORS) <= 9


@pytest.mark.parametrize("package", IMPORTS)
def test_a_package_says_in_a_sentence_what_it_is_for(package: str) -> None:
    tree = ast.parse((SOURCE / package / "__init__.py").read_text())
    text = ast.get_docstring(tree)
    assert text is not None
    assert len(text.splitlines()) == 1
    assert text.endswith(".")
    assert len(tree.body) == 1  # nothing is imported here, or every stage would depend on it


@pytest.mark.parametrize("package", IMPORTS)
def test_who_imports_whom(package: str) -> None:
    files = (SOURCE / package).rglob("*.py")
    found = {package_of(imported) for path in files for imported in imports_of(path)}
    assert sorted(found - {package}) == sorted(IMPORTS[package])


def test_every_arrow_goes_down() -> None:
    floor_of = {package: number for number, floor in enumerate(FLOORS) for package in floor}
    upwards = [
        (package, other)
        for package, others in IMPORTS.items()
        for other in others
        if floor_of[other] >= floor_of[package]
    ]
    assert upwards == []


def test_no_file_imports_itself_through_others() -> None:
    graph = {path: imports_of(path) for path in SOURCE.rglob("*.py")}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)  # raises CycleError
