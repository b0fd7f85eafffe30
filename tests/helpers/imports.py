"""What the files of src/datmos import, read from their text."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from helpers.places import REPOSITORY

SOURCE = REPOSITORY / "src" / "datmos"
CHECKS_ONLY = SOURCE / "params" / "schema.py"  # it changes no value: nothing depends on it
NAMED = re.compile(r"datmos(\.\w+)+")  # how a registry names what is imported when it is asked for


@cache
def imports_of(path: Path) -> frozenset[Path]:
    """Files of src/datmos that a file imports itself, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(_files(names)) - {path}


@cache
def named_by(path: Path) -> frozenset[Path]:
    """Files of src/datmos with things that the registries in a file name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
            names.add(node.value.rpartition(".")[0])
    return frozenset(_files(names)) - {path}


@cache
def closure_of(path: Path) -> frozenset[Path]:
    """All files whose code may run when a file does: imported or named, directly or through another one."""
    found, waiting = set(), [path]
    while waiting:
        one = waiting.pop()
        for file in (imports_of(one) | named_by(one)) - found - {path, CHECKS_ONLY}:
            found.add(file)
            waiting.append(file)
    return frozenset(found)


def package_of(path: Path) -> str:
    """The package of src/datmos that a file is in."""
    return path.relative_to(SOURCE).parts[0]


def _files(names: set[str]) -> Iterator[Path]:
    for name in names:
        file = SOURCE.parent / Path(*name.split(".")).with_suffix(".py")
        if name.startswith("datmos.") and file.is_file():
            yield file
