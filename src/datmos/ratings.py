"""The generic dataset kind: a ratings.csv with one row a clip (DESIGN.md, Contracts)."""

from pathlib import Path

import pandas as pd

from datmos.errors import DatmosError, nearest

SPLITS = ("train", "valid", "eval")
TEXT_COLUMNS = ("path", "split", "category", "source", "system")
MAX_SHOWN = 10


def read_ratings(path: Path, aspects: list[str]) -> pd.DataFrame:
    """Read and check a ratings.csv.

    Returns:
        Columns path, split, category, source, system (str), <aspect> (float, mean score) and
        <aspect>_ratings (list of float, or None where the file has no single ratings).

    Raises:
        DatmosError: a missing file or column, a duplicate or absolute path, an unknown split, an empty cell,
            a score that is not a finite number, or no train, valid or eval clip.
    """
    table = _read_text(path)
    _check_columns(table, path, aspects)
    _refuse(table, table["path"] == "", path, "path is empty")
    _refuse(table, table["path"].duplicated(keep="first"), path, "path given twice; every clip needs one row")
    outside = table["path"].map(lambda name: Path(name).is_absolute() or ".." in Path(name).parts)
    _refuse(table, outside, path, "path must be relative to data.root and stay inside it")
    _refuse(table, ~table["split"].isin(SPLITS), path, f"split must be one of {', '.join(SPLITS)}", "split")
    for column in ("category", "source"):
        _refuse(table, table[column] == "", path, f"{column} is empty")
    for split in SPLITS:
        if not (table["split"] == split).any():
            raise DatmosError(f"{path}: no row with split '{split}'; train, valid and eval clips are all needed")
    is_eval = table["split"] == "eval"
    if (table.loc[is_eval, "system"] == "").all():
        raise DatmosError(
            f"{path}: no eval system: the column system is empty in all {is_eval.sum()} eval rows; "
            "name the generative system that made each eval clip"
        )
    _refuse(table, is_eval & (table["system"] == ""), path, "an eval clip without a system")
    for aspect in aspects:
        table[aspect] = _scores(table, aspect, path)
        table[f"{aspect}_ratings"] = _single_ratings(table, f"{aspect}_ratings", path)
    return table[[*TEXT_COLUMNS, *aspects, *(f"{aspect}_ratings" for aspect in aspects)]]


def _read_text(path: Path) -> pd.DataFrame:
    """Read every cell as text: numbers are checked here, not guessed by the CSV reader."""
    if not path.is_file():
        raise DatmosError(f"{path}: no such file; data.root must be a folder that holds ratings.csv")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DatmosError(f"{path}: not a UTF-8 CSV file with a header line: {error}") from None
    return table.fillna("")


def _check_columns(table: pd.DataFrame, path: Path, aspects: list[str]) -> None:
    for column in [*TEXT_COLUMNS, *aspects]:
        if column not in table.columns:
            role = "an aspect of data.aspects" if column in aspects else "needed in every ratings.csv"
            raise DatmosError(
                f"{path}: column '{column}' is missing ({role}){nearest(column, table.columns)} "
                f"Found: {', '.join(table.columns)}"
            )


def _refuse(table: pd.DataFrame, bad: pd.Series, path: Path, what: str, show: str = "path") -> None:
    """Raise an error that lists the first bad rows, numbered as data rows from 1."""
    if not bad.any():
        return
    rows = [f"row {position + 1}: {table[show].iloc[position]!r}" for position in bad.to_numpy().nonzero()[0]]
    more = f"\n  and {len(rows) - MAX_SHOWN} more" if len(rows) > MAX_SHOWN else ""
    raise DatmosError(f"{path}: {what}:\n  " + "\n  ".join(rows[:MAX_SHOWN]) + more)


def _scores(table: pd.DataFrame, aspect: str, path: Path) -> pd.Series:
    scores = pd.to_numeric(table[aspect], errors="coerce").astype(float)
    _refuse(table, ~scores.abs().lt(float("inf")), path, f"{aspect} must be a finite number", aspect)
    return scores


def _single_ratings(table: pd.DataFrame, column: str, path: Path) -> list[list[float] | None]:
    if column not in table.columns:
        return [None] * len(table)
    ratings = [_split_ratings(cell) for cell in table[column]]
    bad = pd.Series([rating == [] for rating in ratings], index=table.index)
    _refuse(table, bad, path, f"{column} must be numbers separated by ';'", column)
    return ratings


def _split_ratings(cell: str) -> list[float] | None:
    """Parse "4;5;3"; None for an empty cell, an empty list for one that is not numbers."""
    if cell.strip() == "":
        return None
    numbers = pd.to_numeric(pd.Series(cell.split(";")), errors="coerce")
    return list(numbers) if numbers.abs().lt(float("inf")).all() else []
