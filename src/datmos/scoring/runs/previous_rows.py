"""Rows of earlier runs, for `datmos score --resume`: what can't be read, or is not surely a clip's, is left out."""

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datmos.core.errors import printable
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.runs.lists import unlimited_csv
from datmos.scoring.runs.rows import ROW_GROUP, Layout, Row

FILE = "file"  # in rows of a run that goes on: the clip's identity, which its name is not
# what reading may end in, whatever is in the file
UNREADABLE = (pa.ArrowException, csv.Error, OSError, ValueError, TypeError, OverflowError, RecursionError)


def current_rows(
    path: Path, kind: str, clips: Mapping[str, Sequence[ListedClip]], layout: Layout
) -> Iterator[tuple[str, Row]]:
    """Yield identity and row of the clips whose row is in a file, and is what scoring them again would give.

    A row of a run that goes on says which file it belongs to. A row of a finished output has the clip's name alone,
    and is left out if that name stands for several files, here or there.

    Args:
        path: of the file, which need not be whole.
        kind: "jsonl", "csv" or "parquet".
        clips: of this run, by identity.
        layout: of this run.
    """
    by_name, fits = _unambiguous(clips), _checks(layout)
    doubtful = _names_of_several(path, kind)
    damaged = False
    for row in read_rows(path, kind):
        if row is None:
            damaged = True
            continue
        own = None if row["path"] in doubtful else by_name.get(row["path"])
        identity = row.get(FILE, own)
        if not isinstance(identity, str) or identity not in clips:
            continue
        if not layout.is_current(row, clips[identity][0]):
            continue
        if all(name in row and is_right(row[name]) for name, is_right in fits.items()):
            yield identity, {name: row[name] for name in fits}
        else:
            damaged = True
    if damaged:
        print(
            f"{printable(str(path))}: rows in it can't be read; the clips that lack a row are scored again",
            file=sys.stderr,
        )


def read_rows(path: Path, kind: str) -> Iterator[Row | None]:
    """Read what `datmos.scoring.runs.rows.write_rows` wrote; None stands for rows that can't be read."""
    read = {"parquet": _read_parquet, "csv": _read_csv, "jsonl": _read_json_lines}[kind]
    try:
        for row in read(path):
            yield row if row is not None and isinstance(row.get("path"), str) else None
    except UNREADABLE as error:
        if getattr(error, "errno", None) is not None:  # of the system: a file that may not be read is not damaged
            raise
        yield None


def _read_parquet(path: Path) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for group in file.iter_batches(ROW_GROUP):
            yield from group.to_pylist()


def _read_csv(path: Path) -> Iterator[Row | None]:
    unlimited_csv()
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames is not None and "path" not in rows.fieldnames:
            yield None
            return
        for cells in rows:
            try:
                yield {name: _from_cell(name, cell) for name, cell in cells.items()}
            except UNREADABLE:
                yield None


def _read_json_lines(path: Path) -> Iterator[Row | None]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            try:
                row = json.loads(line)
            except UNREADABLE:
                row = None
            yield row if isinstance(row, dict) else None


def _from_cell(name: str, cell: str | None) -> Any:
    if cell is None:
        raise ValueError("a row that ends early")
    if name in ("path", "model", "version", "modified", "error"):
        return cell or None
    if name == "warnings":
        return cell.split("; ") if cell else []
    if name == "timeline":
        return json.loads(cell or "null")
    return None if not cell else int(cell) if name == "bytes" else float(cell)


def _unambiguous(clips: Mapping[str, Sequence[ListedClip]]) -> dict[str, str]:
    """Identities by name, where a name has one."""
    found: dict[str, set[str]] = defaultdict(set)
    for identity, same in clips.items():
        for clip in same:
            found[clip.name].add(identity)
    return {name: next(iter(identities)) for name, identities in found.items() if len(identities) == 1}


def _names_of_several(path: Path, kind: str) -> set[str]:
    """Names that stand in several rows of a file, which are not the same."""
    first: dict[str, int] = {}
    several = set()
    for row in read_rows(path, kind):
        if row is not None and first.setdefault(row["path"], content := hash(repr(row))) != content:
            several.add(row["path"])
    return several


def _checks(layout: Layout) -> Mapping[str, Callable[[Any], bool]]:
    """What tells, for every column of a run, whether a value may stand in a row without an error."""
    scores = {
        name: check for a in layout.aspects for name, check in ((a, _is_number), (f"{a}_std", _may_be_number))
    }
    moment = {"second": _is_number} | dict.fromkeys(scores, _may_be_number)

    def is_timeline(value: Any) -> bool:
        return isinstance(value, list) and all(
            isinstance(one, dict) and list(one) == list(moment) and all(moment[name](one[name]) for name in one)
            for one in value
        )

    checks: dict[str, Callable[[Any], bool]] = {
        "path": _is_text, **scores, "seconds": _is_number, "distance": _may_be_number, "percentile": _may_be_number,
        "band_limit": _is_number, "warnings": _is_texts, "model": _is_text, "version": _is_text,
        "hop_s": _is_number, "bytes": _is_number, "modified": _is_text, "error": lambda value: value is None,
    }  # fmt: skip
    return checks | {"timeline": is_timeline} if layout.timeline else checks


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _may_be_number(value: Any) -> bool:
    return value is None or _is_number(value)
