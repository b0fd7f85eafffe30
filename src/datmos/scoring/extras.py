"""Packages that only some commands need (pyproject.toml, optional-dependencies)."""

from importlib.util import find_spec

from datmos.core.errors import DatmosError


def needs(extra: str, *modules: str) -> None:
    """Make sure that the modules of an extra are installed.

    Raises:
        DatmosError: one is not; the message says what to type.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise DatmosError(
            f"{', '.join(missing)}: not installed; in datmos' folder type `pip install -e '.[{extra}]'`"
        )
