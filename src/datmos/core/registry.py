"""Registries: names of params.yaml, and where in datmos the thing is that a name stands for.

A registry is a dict from name to "datmos.<package>.<file>.<thing>". What it names is imported when it is asked for,
so that whoever checks a name, or needs one encoder of three, does not wait for all of them.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import AfterValidator

from datmos.core.errors import nearest


def find(registry: Mapping[str, str], name: str) -> Any:
    """Import what ``name`` stands for."""
    module, thing = registry[name].rsplit(".", 1)
    return getattr(import_module(module), thing)


def one_of(registry: Mapping[str, Any]) -> AfterValidator:
    """Return the check of a setting whose value is a name of ``registry``: ``Annotated[str, one_of(HEADS)]``."""

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(f"unknown name{nearest(name, registry)} Expected one of: {', '.join(registry)}")
        return name

    return AfterValidator(check)
