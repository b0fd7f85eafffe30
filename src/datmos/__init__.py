"""datmos: predictors of listener ratings that do not fall for spurious correlations.

``from datmos import load`` gives a scorer of audio: `datmos.scoring.scorer.load`.
"""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """Find ``load`` when it is asked for: importing datmos, as every stage does, imports nothing else."""
    if name == "load":
        return import_module("datmos.scoring.scorer").load
    raise AttributeError(f"module 'datmos' has no attribute '{name}'")
