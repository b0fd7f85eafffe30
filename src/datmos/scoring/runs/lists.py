"""Lists of clips, as other people and other programs write them: one bad row in a list is one bad row."""

import codecs
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datmos.core.errors import DatmosError
from datmos.scoring.user_outputs import kind_of

LISTS = (".txt", ".csv", ".jsonl", ".parquet")
LARGEST = 2**30  # bytes of a list of text
LONGEST = 4096  # characters of a path; systems take no longer ones
SHOWN = 200  # characters of what stands in a row instead of a path
WANTED = "every clip needs its path, as text in a column called 'path'"
BYTE_ORDER_MARKS = {  # the longer ones first: UTF-32's begin with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig",
}  # fmt: skip


class Entry(NamedTuple):
    """A row of a list.

    Attributes:
        name: the path in it; what stands there instead, as text, if there is a ``problem``.
        problem: why it names no file, or None.
    """

    name: str
    problem: str | None = None


def read_list(path: Path) -> list[Entry]:
    """Read a list of clips, by its suffix (`LISTS`).

    Raises:
        DatmosError: it can't be read, is no regular file, or no row of it has a path.
    """
    try:
        if (kind := kind_of(path)) not in ("a file", None):
            raise DatmosError(f"{path}: is {kind}, where a list of clips is expected; `-` reads standard input")
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as file:
                entries = column_entries(file.read(columns=["path"]), str(path))
        else:
            with path.open("rb") as content:
                entries = text_entries(content, str(path), path.suffix.lower())
    except KeyError:
        raise DatmosError(f"{path}: {WANTED}") from None
    except (pa.ArrowException, ValueError, csv.Error) as error:
        raise DatmosError(f"{path}: can't be read as a {path.suffix} list of clips ({error})") from None
    except (OSError, RuntimeError) as error:
        raise DatmosError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if entries and path.suffix.lower() != ".txt" and all(entry.problem for entry in entries):
        raise DatmosError(f"{path}: {WANTED}. No row has one; {entries[0].problem}")
    return entries


def text_entries(file: BinaryIO, name: str, suffix: str = ".txt") -> list[Entry]:
    """Read a list of text: lines, or names that end with NUL, as of ``find -print0`` (.txt); .csv; .jsonl.

    Raises:
        DatmosError: it is larger than `LARGEST`.
        KeyError: a CSV without a column ``path``.
        ValueError, csv.Error: it is not what it should be.
    """
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise DatmosError(
            f"{name}: a list of more than {LARGEST / 2**30:g} GiB; cut it, or make it a .parquet list"
        )
    text = _decoded(content)
    if suffix == ".csv":
        return _entries(_csv_values(text), f"{name} row")
    if suffix == ".jsonl":
        return _entries(_json_values(text), f"{name} row")
    return _entries(filter(None, _pieces(text)), f"{name} entry")


def column_entries(table: pa.Table, name: str, first: int = 0) -> list[Entry]:
    """Read the column ``path`` of a part of a parquet list whose rows begin at ``first``."""
    column = table.column("path")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())  # a file's name need not be UTF-8, whatever the column promises
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError):  # such as dates that Python does not have
        values = [Entry(str(column.type), "a path as text is expected")] * len(column)
    return _entries(values, f"{name} row", first)


def unlimited_csv() -> None:
    """Let cells of CSV be of any length: a time line is one."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def _decoded(content: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "strict")
    return content.decode("utf-8", "surrogateescape")


def _pieces(text: str) -> list[str]:
    # a single NUL among lines is a bad line, and not another kind of list
    if "\0" in text and (text.endswith("\0") or not text.endswith("\n")):
        return text.split("\0")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _csv_values(text: str) -> Iterator[Any]:
    unlimited_csv()
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if "path" not in (rows.fieldnames or ()):
        raise KeyError("path")
    yield from (row["path"] for row in rows)


def _json_values(text: str) -> Iterator[Any]:
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield Entry(_shown(line), "JSON is expected")
            continue
        yield row["path"] if isinstance(row, dict) and "path" in row else Entry(_shown(line), "it has no 'path'")


def _entries(values: Iterable[Any], where: str, first: int = 0) -> list[Entry]:
    return [_entry(value, f"{where} {number}") for number, value in enumerate(values, first + 1)]


def _entry(value: Any, where: str) -> Entry:
    if isinstance(value, Entry):
        return Entry(value.name, f"{where}: {value.problem}")
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if not isinstance(value, str):
        shown = "" if value is None else _shown(json.dumps(value, default=str))
        return Entry(shown, f"{where}: a path as text is expected, found {shown or 'nothing'}")
    if not value:
        return Entry("", f"{where}: the path is empty")
    if len(value) > LONGEST:
        return Entry(_shown(value), f"{where}: {len(value)} characters, which is too long for a path")
    if "\0" in value:
        return Entry(_shown(value), f"{where}: the path holds a NUL character, which no file's name has")
    try:
        os.fsencode(value)
    except UnicodeError:
        return Entry(_shown(value), f"{where}: the path holds half a character, which no file's name has")
    return Entry(value)


def _shown(text: str) -> str:
    """Return the beginning of a text that is no path, so that it can be written: whole characters alone."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
