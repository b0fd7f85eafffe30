"""Scripts of benchmarks/ as modules, so that tests can call their functions."""

import importlib.util
import sys
from types import ModuleType

from helpers.places import REPOSITORY


def load_benchmark(name: str) -> ModuleType:
    """Import benchmarks/<name>.py, which is in no package."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))  # they import one another
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(REPOSITORY / "benchmarks"))
    return module
