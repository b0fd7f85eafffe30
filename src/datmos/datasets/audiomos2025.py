"""AES-Natural and track 2 of the AudioMOS Challenge 2025: the paper's data (arXiv 2603.16201).

The labels are published with Audiobox-Aesthetics; the audio has to come from the six collections themselves, and
the evaluation clips from the challenge (docs/reproduce-the-paper.md).
"""

import re
from pathlib import Path

import pandas as pd

from datmos.core.errors import DatmosError, listing
from datmos.datasets.published import (
    ASPECTS,
    PUBLISHED_ROOT,
    check_aspects,
    find_list,
    lay_out,
    list_files,
    read_annotations,
    score_columns,
)

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
SYSTEM = re.compile(r"-(sys\w+?)-utt")


def read_audiomos2025(root: Path, aspects: list[str]) -> pd.DataFrame:
    """List the clips of the challenge with their ratings, and find their audio below ``root``.

    ``root`` holds the published lists, at most two folders deep: train list, dev list (here: valid), evaluation
    annotations, and, for the ten single ratings of natural clips, the AES_natural files, which may be absent.

    Args:
        root: folder with lists and audio, the latter in any layout (see `datmos.datasets.audio_finder`).
        aspects: some of PQ, PC, CE, CU.

    Returns:
        What `datmos.datasets.ratings.read_ratings` does; clip_id is the challenge's name. The path of a clip whose
        audio is missing is the published one.

    Raises:
        DatmosError: a list is absent or not as published, or an aspect is none of these.
    """
    check_aspects(aspects)
    single = _single_ratings(root)
    natural = [_natural(root, name, split, single) for name, split in ((TRAIN, "train"), (VALID, "valid"))]
    return lay_out(pd.concat([*natural, _evaluation(root)]), root, aspects)


def read_audiomos2025_evaluation(root: Path, aspects: list[str]) -> pd.DataFrame:
    """List the evaluation clips alone, for models trained on other data; otherwise as `read_audiomos2025`."""
    check_aspects(aspects)
    return lay_out(_evaluation(root), root, aspects)


def _natural(root: Path, name: str, split: str, single: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    path = find_list(root, name)
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
    clips["split"], clips["system"] = split, ""
    clips["source"], clips["category"] = ([COLLECTIONS[top][n] for top in tops] for n in range(2))
    for aspect, column in ASPECTS.items():
        clips[aspect] = _numbers(table[column], path, column)
        clips[f"{aspect}_ratings"] = [single.get(name, {}).get(aspect) for name in table["data_path"]]
    return clips


def _evaluation(root: Path) -> pd.DataFrame:
    path, rows = find_list(root, EVAL), []
    for number, (name, ratings) in enumerate(read_annotations(path), start=1):
        system = SYSTEM.search(name)
        if system is None:
            raise DatmosError(f"{path}, line {number}: no system in {name!r}; ...-sys<ID>-utt<ID> is expected")
        rows.append({"clip_id": name, "path": name, "system": system[1]} | score_columns(ratings))
    return pd.DataFrame(rows).assign(split="eval", source="generated", category="unknown")


def _single_ratings(root: Path) -> dict[str, dict[str, list[float]]]:
    """Single ratings of natural clips by published path; nothing where the files are absent."""
    return {
        name: ratings
        for file in NATURAL
        for path in list_files(root, file)
        for name, ratings in read_annotations(path)
    }


def _numbers(column: pd.Series, path: Path, name: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if bad := listing(column[numbers.isna()]):
        raise DatmosError(f"{path}: {name} must be a number, found {bad}")
    return numbers
