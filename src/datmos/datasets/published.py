"""The lists of ratings that are published with Audiobox-Aesthetics (CC BY 4.0): finding and reading them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from datmos.core.errors import DatmosError, listing, nearest
from datmos.datasets.audio_finder import AudioFinder, find_clips

ASPECTS = {
    "PQ": "Production_Quality",
    "PC": "Production_Complexity",
    "CE": "Content_Enjoyment",
    "CU": "Content_Usefulness",
}
PUBLISHED_ROOT = "/your_path/"  # what published paths begin with


def check_aspects(aspects: Sequence[str]) -> None:
    """Refuse aspects that were not rated.

    Raises:
        DatmosError: one is none of PQ, PC, CE, CU.
    """
    for aspect in aspects:
        if aspect not in ASPECTS:
            raise DatmosError(f"data.aspects: {aspect}{nearest(aspect, ASPECTS)} Rated were {', '.join(ASPECTS)}")


def find_list(root: Path, name: str) -> Path:
    """Return the file ``name``, at most two folders below ``root``.

    Raises:
        DatmosError: it is not there, or more than once.
    """
    found = list_files(root, name)
    if len(found) != 1:
        raise DatmosError(
            f"{name}: found {len(found)} times in {root} and two folders deep ({listing(map(str, found))}), once "
            "is expected. It is published with Audiobox-Aesthetics; docs/reproduce-the-paper.md has the command "
            "that imports it"
        )
    return found[0]


def list_files(root: Path, name: str) -> list[Path]:
    """Return all files ``name`` at most two folders below ``root``."""
    return sorted(path for depth in ("", "*/", "*/*/") for path in root.glob(depth + name))


def read_annotations(path: Path) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Yield published path and single ratings by aspect, line by line.

    Raises:
        DatmosError: a line is not JSON or lacks ratings.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError as error:
            raise DatmosError(f"{path}, line {number}: not JSON: {error}") from None
        for column in ASPECTS.values():
            if not entry.get(column):
                raise DatmosError(f"{path}, line {number}: {entry.get('data_path')}: no ratings under '{column}'")
        yield (
            entry["data_path"],
            {aspect: [float(rating) for rating in entry[column]] for aspect, column in ASPECTS.items()},
        )


def score_columns(ratings: dict[str, list[float]]) -> dict[str, Any]:
    """Return the columns <aspect>, the mean, and <aspect>_ratings of a clip."""
    means = {aspect: sum(own) / len(own) for aspect, own in ratings.items()}
    return means | {f"{aspect}_ratings": own for aspect, own in ratings.items()}


def lay_out(clips: pd.DataFrame, root: Path, aspects: Sequence[str]) -> pd.DataFrame:
    """Find the audio of listed clips below ``root``, and give the table the columns that every dataset has.

    Args:
        clips: clip_id, path (as published), split, category, source, system, <aspect>, <aspect>_ratings.
        root: folder with the audio, in any layout (see `find_clips`).
        aspects: to keep.

    Returns:
        What `datmos.datasets.ratings.read_ratings` does. The path of a clip whose audio is missing is the published
        one.

    Raises:
        DatmosError: a clip is listed twice.
    """
    again = clips["clip_id"].duplicated()
    if again.any():
        raise DatmosError(f"the lists name clips twice: {listing(clips.loc[again, 'clip_id'])}")
    table = clips.reset_index(drop=True).assign(base="")
    files, table["missing"] = find_clips(AudioFinder(root), list(table["clip_id"]), list(table["path"]))
    table["path"] = [file or path for file, path in zip(files, table["path"], strict=True)]
    for aspect in aspects:
        table[f"{aspect}_true"] = float("nan")
    extras = [f"{aspect}_{kind}" for kind in ("ratings", "true") for aspect in aspects]
    texts = ["clip_id", "path", "split", "category", "source", "system", "base", "missing"]
    return table[[*texts, *aspects, *extras]]
