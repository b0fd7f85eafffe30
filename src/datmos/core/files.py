"""Writing results: byte-deterministic, and never half written (a temporary name, then a rename)."""

import glob
import hashlib
import json
import math
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SIGNIFICANT_DIGITS = 5  # in details, tables and plots: another machine's last bits must not make a diff


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (for a file or a folder); rename it when all went well.

    For what the pipeline names itself: a folder that is there is replaced by a folder, with all that is in it, and
    a link by what is written. For a file that a person names there is `datmos.scoring.user_outputs`.

    Raises:
        IsADirectoryError: a file was written, and there is a folder of that name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():  # it can't be renamed over one that has files: step aside first
            path.replace(old)
        temporary.replace(path)
    finally:
        _remove(temporary)
        _remove(old)


def temporary_beside(path: Path) -> Path:
    """Return this process's name for ``path`` while it is written, and clear up after runs that were killed."""
    _remove_leftovers(path)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _remove_leftovers(path: Path) -> None:
    """Remove what runs that were killed while they wrote ``path`` have left beside it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        pid, suffix = leftover.name.removeprefix(f".{path.name}.").rpartition(".")[::2]
        if suffix in ("tmp", "old") and pid.isdigit() and not is_running_elsewhere(int(pid)):
            with suppress(OSError):  # somebody else's: it is in nobody's way
                _remove(leftover)


def is_running_elsewhere(pid: int) -> bool:
    """Tell whether a number is that of another process of this machine."""
    if pid == os.getpid():  # a run before had the number of this one, as is common in containers
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_all_but(folder: Path, names: Collection[str]) -> None:
    """Remove the files of a folder whose names, without ending, are not in ``names``, and say so.

    For a stage that reads a folder to which a stage for each strategy writes: DVC leaves the files of a strategy
    that is no longer in params.yaml, and they would be part of what the stage depends on.
    """
    for path in sorted(folder.glob("*")):
        if path.is_file() and not path.name.startswith(".") and path.stem not in names:
            path.unlink()
            print(f"removed {path}: params.yaml has no '{path.stem}' any more")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def rounded(value: Any) -> Any:
    """Round every float of a nested structure to `SIGNIFICANT_DIGITS`; NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON in the order given, one key a line; numbers in full."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_metrics(path: Path, value: Any) -> None:
    """Write JSON of results: floats `rounded`."""
    write_json(path, rounded(value))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV with rounded floats and LF line ends."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{SIGNIFICANT_DIGITS}g", lineterminator="\n")


def write_parquet(path: Path, table: pd.DataFrame, schema: pa.Schema | None = None) -> None:
    """Write parquet whose bytes depend on the rows alone (no index, no pandas metadata, fixed settings)."""
    arrow = pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(None)
    with replacing(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd", version="2.6")
