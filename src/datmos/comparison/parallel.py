"""The same work for many names, on all cores."""

from collections.abc import Callable, Mapping
from typing import Any

from joblib import Parallel, delayed


def in_parallel(function: Callable[..., Any], arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Call a function once a name, each in a process with one thread; returns its results by name."""
    with Parallel(n_jobs=-1) as run:
        return dict(zip(arguments, run(delayed(function)(*own) for own in arguments.values()), strict=True))
