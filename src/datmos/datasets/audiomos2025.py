"""AES-Natural and track 2 of the AudioMOS Challenge 2025: the paper's data (arXiv 2603.16201).

The labels are published (CC BY 4.0) with Audiobox-Aesthetics; the audio has to come from the six collections
themselves, and the evaluation clips from the challenge (docs/reproduce-the-paper.md).
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from datmos.datasets.audio_finder import AudioFinder, find_clips
from datmos.errors import DatmosError, listing, nearest

ASPECTS = {
    "PQ": "Production_Quality",
    "PC": "Production_Complexity",
    "CE": "Content_Enjoyment",
    "CU": "Content_Usefulness",
}
TRAIN, VALID = "audiomos2025-track2-train_list.csv", "audiomos2025-track2-dev_list.csv"
EVAL = "audiomos2025_track2_human_annotations.jsonl"
NATURAL = ("AES_natural_speech.jsonl", "AES_natural_music.jsonl", "AES_natural_sound.jsonl")
# first folder of a published path -> collection, category
COLLECTIONS = {
    "unbalanced_train_segments": ("AudioSet", "sound"),
    "musiccaps": ("MusicCaps", "music"),
    "MUSDB18": ("MUSDB18", "music"),
    "cv-corpus-13.0-2023-03-09": ("CommonVoice", "speech"),
    "LibriTTS": ("LibriTTS", "speech"),
    "EARS": ("EARS", "speech"),
}
PUBLISHED_ROOT = "/your_path/"
SYSTEM = re.compile(r"-(sys\w+?)-utt")


def read_audiomos2025(root: Path, aspects: list[str]) -> pd.DataFrame:
    """List the clips of the challenge with their ratings, and find their audio below ``root``.

    ``root`` holds the published lists, at most two folders deep: train list, dev list (here: valid), evaluation
    annotations, and, for the ten single ratings of natural clips, the AES_natural files, which may be absent.

    Args:
        root: folder with lists and audio, the latter in any layout (see `find_clips`).
        aspects: some of PQ, PC, CE, CU.

    Returns:
        What `datmos.ratings.read_ratings` does; clip_id is the challenge's name. The path of a clip whose audio is
        missing is the published one.

    Raises:
        DatmosError: a list is absent or not as published, or an aspect is none of these.
    """
    for aspect in aspects:
        if aspect not in ASPECTS:
            raise DatmosError(
                f"data.aspects: {aspect}{nearest(aspect, ASPECTS)} The kind audiomos2025 has {', '.join(ASPECTS)}"
            )
    single = _single_ratings(root)
    natural = [_natural(root, name, split, single) for name, split in ((TRAIN, "train"), (VALID, "valid"))]
    table = pd.concat([*natural, _evaluation(root)], ignore_index=True)
    again = table["clip_id"].duplicated()
    if again.any():
        raise DatmosError(f"the lists name clips twice: {listing(table.loc[again, 'clip_id'])}")
    finder = AudioFinder(root)
    files, table["missing"] = find_clips(finder, list(table["clip_id"]), list(table["path"]))
    table["path"] = [file or path for file, path in zip(files, table["path"], strict=True)]
    for aspect in aspects:
        table[f"{aspect}_true"] = float("nan")
    extras = [f"{aspect}_{kind}" for kind in ("ratings", "true") for aspect in aspects]
    texts = ["clip_id", "path", "split", "category", "source", "system", "base", "missing"]
    return table[[*texts, *aspects, *extras]]


def _natural(root: Path, name: str, split: str, single: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    path = _find_list(root, name)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    needed = ["sample_id", "data_path", *ASPECTS.values()]
    if missing := [column for column in needed if column not in table.columns]:
        raise DatmosError(f"{path}: column '{missing[0]}' is missing; found {', '.join(table.columns)}")
    paths = table["data_path"].str.removeprefix(PUBLISHED_ROOT)
    tops = paths.str.split("/").str[0]
    if not tops.isin(COLLECTIONS).all():
        unknown = listing(sorted(set(tops) - set(COLLECTIONS)))
        raise DatmosError(f"{path}: unknown collections {unknown}; expected {', '.join(COLLECTIONS)}")
    clips = pd.DataFrame({"clip_id": table["sample_id"], "path": paths})
    clips["split"], clips["system"], clips["base"] = split, "", ""
    clips["source"], clips["category"] = ([COLLECTIONS[top][n] for top in tops] for n in range(2))
    for aspect, column in ASPECTS.items():
        clips[aspect] = _numbers(table[column], path, column)
        clips[f"{aspect}_ratings"] = [single.get(name, {}).get(aspect) for name in table["data_path"]]
    return clips


def _evaluation(root: Path) -> pd.DataFrame:
    path = _find_list(root, EVAL)
    rows = []
    for number, entry in enumerate(_json_lines(path), start=1):
        name = entry["data_path"]
        system = SYSTEM.search(name)
        if system is None:
            raise DatmosError(f"{path}, line {number}: no system in {name!r}; ...-sys<ID>-utt<ID> is expected")
        row = {"clip_id": name, "path": name, "system": system[1]}
        for aspect, ratings in _ratings_of(entry, path).items():
            row[f"{aspect}_ratings"], row[aspect] = ratings, sum(ratings) / len(ratings)
        rows.append(row)
    return pd.DataFrame(rows).assign(split="eval", source="generated", category="unknown", base="")


def _single_ratings(root: Path) -> dict[str, dict[str, list[float]]]:
    """Single ratings of natural clips by published path; nothing where the files are absent."""
    found = {}
    for path in (path for name in NATURAL for path in _listed(root, name)):
        for entry in _json_lines(path):
            found[entry["data_path"]] = _ratings_of(entry, path)
    return found


def _ratings_of(entry: dict[str, Any], path: Path) -> dict[str, list[float]]:
    for column in ASPECTS.values():
        if not entry.get(column):
            raise DatmosError(f"{path}: {entry.get('data_path')}: no ratings under '{column}'")
    return {aspect: [float(rating) for rating in entry[column]] for aspect, column in ASPECTS.items()}


def _json_lines(path: Path) -> list[dict[str, Any]]:
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise DatmosError(f"{path}, line {number}: not JSON: {error}") from None
    return entries


def _numbers(column: pd.Series, path: Path, name: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if bad := listing(column[numbers.isna()]):
        raise DatmosError(f"{path}: {name} must be a number, found {bad}")
    return numbers


def _find_list(root: Path, name: str) -> Path:
    found = _listed(root, name)
    if len(found) != 1:
        raise DatmosError(
            f"{name}: found {len(found)} times in {root} and two folders deep ({listing(map(str, found))}), once "
            "is expected. It is published with Audiobox-Aesthetics; docs/reproduce-the-paper.md has the command "
            "that imports it"
        )
    return found[0]


def _listed(root: Path, name: str) -> list[Path]:
    return sorted(path for depth in ("", "*/", "*/*/") for path in root.glob(depth + name))
