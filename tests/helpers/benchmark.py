"""Scripts of benchmarks/ as modules, so that tests can call their functions."""

import importlib.util
from types import ModuleType

from helpers.places import REPOSITORY


def load_benchmark(name: str) -> ModuleType:
    """Import benchmarks/<name>.py, which is in no package."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
