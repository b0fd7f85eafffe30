"""Tables as people's programs write them: cells of text, whatever separates them."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from datmos.core.errors import DatmosError, printable

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class Cells(NamedTuple):
    """What is in a file."""

    table: pd.DataFrame  # of text, a row a line that is not empty
    decimal: str  # what stands before the fraction of a number: "," where cells are separated by semicolons


def read_cells(path: Path, needed: str, expects: str) -> Cells:
    """Read a CSV file with a header line, in UTF-8. Numbers are left as text.

    The separator is the one by which the header has the column ``needed``. Empty cells at the end of a line, beyond
    the header, are nothing. What is read in another way than it is written is said on standard error.

    Args:
        path: of the file.
        needed: a column that it must have.
        expects: what should be there, for an error.

    Raises:
        DatmosError: no such file, not such a file, a column twice, or a line with more cells than the header.
    """
    if not path.is_file():
        raise DatmosError(f"{path}: no such file; {expects}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        separator = _separator(text, needed)
        lines = [
            line
            for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
            if any(line)
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatmosError(f"{path}: not a UTF-8 CSV file with a header line: {error}") from None
    if not lines:
        raise DatmosError(f"{path}: not a UTF-8 CSV file with a header line: it is empty")
    header, *rows = lines
    header = [name.strip() for name in header]
    while header and not header[-1] and all(_is_empty(row[len(header) - 1 :]) for row in rows):
        header.pop()  # a column without a name and without a cell
    for name in header:
        if header.count(name) > 1:
            raise DatmosError(f"{path}: the column '{name}' is there {header.count(name)} times; keep one of them")
    table = pd.DataFrame(list(_filled(path, header, rows)), columns=header, dtype=str)
    if separator != ",":
        say(path, f"cells are separated by {SEPARATORS[separator]}; a number may have a comma before its fraction")
    return Cells(table, "," if separator == ";" else ".")


def strip_names(path: Path, table: pd.DataFrame, columns: list[str]) -> None:
    """Take white space from around the names in these columns, and say so."""
    for column in columns:
        stripped = table[column].str.strip()
        changed = stripped != table[column]
        if changed.any():
            example = table.loc[changed, column].iloc[0]
            say(path, f"column {column}: white space around {int(changed.sum())} names is left out ({example!r})")
            table[column] = stripped


def _separator(text: str, needed: str) -> str:
    found = []
    for separator in SEPARATORS:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        if needed in [name.strip() for name in header]:
            found.append(separator)
    return found[0] if found else ","


def _filled(path: Path, header: list[str], rows: list[list[str]]) -> Iterator[list[str]]:
    width = len(header)
    for number, row in enumerate(rows, start=1):
        if not _is_empty(row[width:]):
            raise DatmosError(
                f"{path}: row {number} has {len(row)} cells, the header {width}. Put texts with commas in quotes."
            )
        yield [*row[:width], *[""] * (width - len(row))]


def _is_empty(cells: list[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def say(path: Path, what: str) -> None:
    """Say on standard error how a file was read in another way than it is written."""
    print(f"{printable(str(path))}: {printable(what)}", file=sys.stderr)
