"""Writing results: byte-deterministic, and never half written (a temporary name, then a rename)."""

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

DIGITS = 9  # of the number of a process, at most
SIGNIFICANT_DIGITS = 5  # in details, tables and plots: another machine's last bits must not make a diff


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty temporary file beside ``path``; it is renamed when all went well.

    A file or a link of that name is replaced. A folder of that name stays, whatever happens meanwhile.

    Raises:
        OSError: the file can't be written, or there is a folder of that name.
    """
    temporary = _temporary_beside(path, folder=False)
    # a new file, or none: a link of that name, put there by somebody else, is not followed
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave the new name with nothing in it
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; it is renamed to ``path`` when all went well.

    A folder of that name, or a link to one, is replaced with all that is in it: only for folders that the pipeline
    names itself, or whose content was looked at.

    Raises:
        OSError: the folder can't be written, or there is a file of that name.
    """
    with temporary_folder(path) as room:
        fresh, old = room / "new", room / "old"
        fresh.mkdir()
        yield fresh
        if path.is_dir():  # a folder can't be renamed over one that has files: that one steps aside first
            path.replace(old)
        try:
            fresh.replace(path)
        except OSError:
            if old.exists():
                old.replace(path)
            raise


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path``; it is removed afterwards."""
    temporary = _temporary_beside(path, folder=True)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_beside(path: Path, folder: bool) -> Path:
    """Return this process's name for ``path`` while it is written; remove files, or folders, of killed runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for beside in path.parent.iterdir():
        number = beside.name.removeprefix(f".{path.name}.").removesuffix(".tmp")
        if beside.name != f".{path.name}.{number}.tmp" or not number.isdecimal() or len(number) > DIGITS:
            continue
        if beside.is_symlink() or not (beside.is_dir() if folder else beside.is_file()):
            continue  # only has such a name
        if not _runs_elsewhere(int(number)):
            with suppress(OSError):  # somebody else's: it is in nobody's way
                shutil.rmtree(beside) if folder else beside.unlink()
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _runs_elsewhere(pid: int) -> bool:
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
