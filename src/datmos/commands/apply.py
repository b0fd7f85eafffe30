"""`datmos apply`: a preset's settings, merged into params.yaml, comments and all."""

import argparse
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from datmos.core.errors import DatmosError, printable
from datmos.params.schema import check_params

# sections whose entries null removes
REMOVABLE = ("strategies.", "evaluation_sets.", "finetune.strategies.", "finetune.published.")
_yaml = YAML()  # writes as `dvc exp run -S` does: neither undoes the other's form


def add_apply(commands: Any) -> None:
    """Add the command to the parser's subparsers."""
    apply = commands.add_parser(
        "apply",
        help="merge a preset into params.yaml",
        description="Set what a preset names in params.yaml, and leave the rest, comments too, as it is. "
        "`git diff params.yaml` shows it, `git checkout params.yaml` undoes it.",
    )
    apply.add_argument("preset", type=Path, help="for example presets/rivals.yaml")
    apply.set_defaults(run=_apply)


def _apply(arguments: argparse.Namespace) -> None:
    lines = apply_preset(arguments.preset, Path("params.yaml"))
    print("\n".join(map(printable, lines)) or "params.yaml has all of it already")


def apply_preset(preset: Path, params: Path) -> list[str]:
    """Merge the settings of ``preset`` into ``params``; what it does not name stays as it is.

    Mappings are merged, anything else is replaced; an entry of `REMOVABLE` set to null is removed.

    Returns:
        A line for each setting that changed: ``key: old -> new``.

    Raises:
        DatmosError: a file can't be read, or the result is not valid; then ``params`` is left alone.
    """
    from datmos.core.files import replacing  # here: other commands do without pandas
    from datmos.scoring.user_outputs import output_file

    merged, changes = _read(params), _read(preset)
    lines = list(_merge(merged, changes, ""))
    text = StringIO()
    _yaml.dump(merged, text)
    check_params(text.getvalue(), f"{params} with {preset}")
    if lines:
        with replacing(output_file(params, "")) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    return lines


def _read(path: Path) -> Any:
    if not path.is_file():
        raise DatmosError(f"{path}: no such file (looked in {Path.cwd()}); run this in the project's folder")
    try:
        content = _yaml.load(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a date such as 2020-13-45
        raise DatmosError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, Mapping):
        raise DatmosError(f"{path}: a mapping of settings is expected, found {type(content).__name__}")
    return content


def _merge(settings: Any, changes: Any, prefix: str) -> list[str]:
    lines = []
    for key, new in changes.items():
        name, old = f"{prefix}{key}", settings.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += _merge(settings[key], new, f"{name}.")
        elif new is None and prefix in REMOVABLE:
            if key in settings:
                del settings[key]
                lines.append(f"{name}: removed")
        elif key not in settings or old != new:
            lines.append(f"{name}: {_shown(old) if key in settings else 'new'} -> {_shown(new)}")
            settings[key] = _plain(new)
    return lines


def _plain(value: Any) -> Any:
    """Copy a setting without the comments and the style that it has in the preset."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, float) else value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return "null" if value is None else str(value)
