"""The generic dataset kind: a ratings.csv with one row a clip.

Columns ``path, split, category, source, system`` and one for each aspect, its mean score; ``system`` is empty for
natural clips. Optional: ``base``; ``<aspect>_ratings``, single ratings separated by ";"; ``<aspect>_true``.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from datmos.core.clips import COUNTERFACTUAL, SPLITS
from datmos.core.errors import DatmosError, listing, nearest
from datmos.datasets.audio_finder import leaves
from datmos.datasets.cells import read_cells, say, strip_names

NEEDED_COLUMNS = ("path", "split", "category", "source", "system")
TEXT_COLUMNS = (*NEEDED_COLUMNS, "base")
# a list from somebody else must not make a run read other files of this machine
LEAVES = "a link leads out of the folder of ratings.csv; put the file itself there, as a copy or a hard link"


def read_ratings(path: Path, aspects: list[str], splits: Sequence[str] = SPLITS) -> pd.DataFrame:
    """Read and check a ratings.csv, which must have clips of all ``splits``.

    Returns:
        Columns clip_id (the path), path, split, category, source, system, base, missing (why a clip has no audio:
        here a link that leads out of the folder, else "", for whether it is there is seen when it is read; all
        str), <aspect> (float, mean score), <aspect>_ratings (list of float, or None where the file has no single
        ratings) and <aspect>_true (float, the true score of a simulated clip; NaN where the file has none).
        Counterfactual clips need no score (NaN): what counts is how far predictions differ between the clips of one
        ``base``.

    Raises:
        DatmosError: a missing file or column, a duplicate or absolute path, an unknown split, an empty cell,
            a score that is not a finite number, no clip of one of ``splits``, or a counterfactual clip whose base
            is missing, alone, or given twice with one source.
    """
    table, decimal = read_cells(path, "path", "data.root must be a folder that holds ratings.csv")
    _check_columns(table, path, aspects)
    if "base" not in table.columns:
        table["base"] = ""
    strip_names(path, table, [column for column in TEXT_COLUMNS if column != "path"])
    if decimal != ".":
        for column in [name for name in table.columns if name not in TEXT_COLUMNS]:
            table[column] = table[column].str.replace(decimal, ".", regex=False)
    table["path"] = _as_on_disk(path, list(table["path"]))
    _refuse(table, table["path"] == "", path, "path is empty")
    _refuse(table, table["path"].duplicated(keep="first"), path, "path given twice; every clip needs one row")
    _refuse(
        table, table["path"].str.contains("\0", regex=False), path, "path holds a NUL character, as no file's does"
    )
    outside = table["path"].map(lambda name: Path(name).is_absolute() or ".." in Path(name).parts)
    _refuse(table, outside, path, "path must be relative to data.root and stay inside it")
    known = (*SPLITS, COUNTERFACTUAL)
    _refuse(table, ~table["split"].isin(known), path, f"split must be one of {', '.join(known)}", "split")
    for column in ("category", "source"):
        _refuse(table, table[column] == "", path, f"{column} is empty")
    for split in splits:
        if not (table["split"] == split).any():
            raise DatmosError(f"{path}: no row with split '{split}'; needed are clips of {', '.join(splits)}")
    is_eval = table["split"] == "eval"
    if (table.loc[is_eval, "system"] == "").all():
        raise DatmosError(
            f"{path}: no eval system: the column system is empty in all {is_eval.sum()} eval rows; "
            "name the generative system that made each eval clip"
        )
    _refuse(table, is_eval & (table["system"] == ""), path, "an eval clip without a system")
    is_counterfactual = _check_counterfactuals(table, path)
    for aspect in aspects:
        table[aspect] = _numbers(table, aspect, path, may_be_empty=is_counterfactual)
        table[f"{aspect}_ratings"] = _single_ratings(table, f"{aspect}_ratings", path)
        every = pd.Series(True, index=table.index)
        table[f"{aspect}_true"] = _numbers(table, f"{aspect}_true", path, may_be_empty=every)
    extras = [f"{aspect}_{kind}" for kind in ("ratings", "true") for aspect in aspects]
    table["clip_id"] = table["path"]
    table["missing"] = [LEAVES if leaves(path.parent, name) else "" for name in table["path"]]
    return table[["clip_id", *TEXT_COLUMNS, "missing", *aspects, *extras]]


def read_ratings_file(root: Path, aspects: list[str]) -> pd.DataFrame:
    """`read_ratings` of ``root``/ratings.csv."""
    return read_ratings(root / "ratings.csv", aspects)


def read_evaluation_rows(root: Path, aspects: list[str]) -> pd.DataFrame:
    """Read the eval clips alone, of a file that need have no others."""
    clips = read_ratings(root / "ratings.csv", aspects, ("eval",))
    return clips[clips["split"] == "eval"].reset_index(drop=True)


def _as_on_disk(path: Path, names: list[str]) -> list[str]:
    """Return the names of files as they are on disk, where they are written in another way, and say so.

    A name may have backslashes, white space around it, or letters with accents in the other form of Unicode (macOS
    takes them apart).
    """
    found, changed = [], []
    for name in names:
        right = next((one for one in _spellings(name) if _is_there(path.parent, one)), name)
        found.append(right)
        if right != name:
            changed.append(name)
    if changed:
        say(path, f"{len(changed)} paths are read as files that are there under another spelling ({changed[0]!r})")
    return found


def _spellings(name: str) -> Iterator[str]:
    yield name
    for one in (name.strip(), name.strip().replace("\\", "/")):
        for form in ("NFC", "NFD"):
            yield unicodedata.normalize(form, one)


def _is_there(folder: Path, name: str) -> bool:
    try:
        return bool(name) and (folder / name).is_file()
    except (OSError, ValueError):  # too long, or NUL in it
        return False


def _check_columns(table: pd.DataFrame, path: Path, aspects: list[str]) -> None:
    for column in [*NEEDED_COLUMNS, *aspects]:
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
    raise DatmosError(f"{path}: {what}:\n  " + listing(rows, "\n  "))


def _check_counterfactuals(table: pd.DataFrame, path: Path) -> pd.Series:
    """Return which rows are counterfactual."""
    chosen = table["split"] == COUNTERFACTUAL
    _refuse(table, chosen & (table["base"] == ""), path, "a counterfactual clip without a base")
    what = f"base is only for the split {COUNTERFACTUAL}: the content that several clips share"
    _refuse(table, ~chosen & (table["base"] != ""), path, what)
    again = chosen & table.duplicated(["split", "base", "source"], keep="first")
    _refuse(table, again, path, "a second counterfactual clip of the same base and source")
    alone = chosen & ~table.duplicated(["split", "base"], keep=False)
    _refuse(table, alone, path, "the only clip of its base; a counterfactual needs two sources or more")
    return chosen


def _numbers(table: pd.DataFrame, column: str, path: Path, may_be_empty: pd.Series) -> pd.Series:
    if column not in table.columns:
        return pd.Series(float("nan"), index=table.index)
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    empty = may_be_empty & (table[column] == "")
    _refuse(table, ~empty & ~numbers.abs().lt(float("inf")), path, f"{column} must be a finite number", column)
    return numbers


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
