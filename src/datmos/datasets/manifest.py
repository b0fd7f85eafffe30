"""The manifest: one row a usable clip; everything later reads clips from here."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from datmos.audio.excerpt import read_excerpt
from datmos.audio.open_file import unchanged
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.core.clips import SPLITS
from datmos.core.errors import DatmosError, first_line, listing
from datmos.core.files import file_digest
from datmos.datasets.ratings import TEXT_COLUMNS


def build_manifest(
    ratings: pd.DataFrame, root: Path, audio: AudioParams, max_excluded: float, others: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Try every clip of a ratings table and keep the usable ones.

    Each clip's excerpt is decoded (in threads), not only its header read: some broken files show a good
    header, and `embed` must be able to rely on every row.

    Args:
        ratings: as `datmos.datasets.ratings.read_ratings` gives it; a clip with a reason in ``missing`` is not
            looked for.
        root: folder that the paths are relative to.
        audio: which part of a clip is used.
        max_excluded: largest fraction of a split that may be unusable.
        others: a manifest whose clips must not be in this one under another split.

    Returns:
        The manifest (the ratings table's columns but ``missing``, with duration_s, sample_rate, channels, sha256),
        sorted by clip_id; and the excluded clips (path, split, source, reason).

    Raises:
        DatmosError: more than ``max_excluded`` of a split is unusable, or nothing is left of one; or the same audio
            is in two of the splits train, valid, eval, ``others`` included.
    """
    table = ratings.sort_values("clip_id", kind="stable", ignore_index=True)
    with ThreadPoolExecutor() as threads:
        results = threads.map(
            lambda name, missing: missing or _try_clip(root / name, audio), table["path"], table["missing"]
        )
        found = list(tqdm(results, total=len(table), desc="reading audio", unit="clip"))
    usable = pd.Series([isinstance(result, dict) for result in found], index=table.index)
    reasons = [result for result in found if isinstance(result, str)]
    excluded = table.loc[~usable, ["path", "split", "source"]].assign(reason=reasons)
    _check_excluded(table, excluded, max_excluded)
    headers = pd.DataFrame([result for result in found if isinstance(result, dict)], index=table.index[usable])
    manifest = table[usable].drop(columns="missing").join(headers).rename_axis(None)
    _check_leaks(manifest if others is None else pd.concat([others, manifest]))
    return manifest.reset_index(drop=True), excluded.reset_index(drop=True)


def manifest_schema(aspects: list[str]) -> pa.Schema:
    """Columns and types of data/manifest.parquet."""
    return pa.schema(
        [(name, pa.string()) for name in ("clip_id", *TEXT_COLUMNS)]
        + [("duration_s", pa.float64()), ("sample_rate", pa.int32()), ("channels", pa.int32())]
        + [("sha256", pa.string())]
        + [(aspect, pa.float32()) for aspect in aspects]
        + [(f"{aspect}_ratings", pa.list_(pa.float32())) for aspect in aspects]
        + [(f"{aspect}_true", pa.float32()) for aspect in aspects]
    )


def summarise(manifest: pd.DataFrame, excluded: pd.DataFrame, aspects: list[str]) -> dict[str, Any]:
    """Counts and label statistics for data/details/manifest.json."""
    lost = {split: clips["source"] for split, clips in excluded.groupby("split")}
    none = pd.Series(dtype=str)
    return {
        split: {
            "clips": len(clips),
            "excluded": len(lost.get(split, none)),
            "excluded_sources": lost.get(split, none).value_counts().sort_index().to_dict(),
            "hours": clips["duration_s"].sum() / 3600,
            "sources": clips["source"].value_counts().sort_index().to_dict(),
            "systems": int(clips.loc[clips["system"] != "", "system"].nunique()),
            "aspects": {aspect: {"mean": clips[aspect].mean(), "std": clips[aspect].std()} for aspect in aspects},
        }
        for split, clips in manifest.groupby("split", sort=True)
    }


def _try_clip(path: Path, audio: AudioParams) -> dict[str, Any] | str:
    """Return a clip's columns, or why it can't be used."""
    try:
        with unchanged(path):
            header = read_excerpt(path, audio)[1]
            return header._asdict() | {"sha256": file_digest(path)}
    except (UnusableAudioError, OSError) as error:
        return first_line(error)


def _check_excluded(table: pd.DataFrame, excluded: pd.DataFrame, max_excluded: float) -> None:
    """Say for every split that lost too much what it lost, source by source."""
    found, shown = [], []
    for split, clips, bad in splits_that_lost_too_much(table, table.index.isin(excluded.index), max_excluded):
        lost, sizes = bad["source"].value_counts().sort_index(), clips["source"].value_counts()
        by_source = ", ".join(f"{source} {count} of {sizes[source]}" for source, count in lost.items())
        found.append(f"{len(bad)} of {len(clips)} {split} clips can't be used ({by_source})")
        shown += [f"{row.path}: {row.reason}" for row in excluded.loc[bad.index].itertuples()]
    if found:
        raise DatmosError(
            ";\n  ".join(found)
            + f".\n  More than data.max_excluded {max_excluded:g} allows. Mend or remove them, or raise "
            "data.max_excluded:\n  " + listing(shown, "\n  ")
        )


def splits_that_lost_too_much(
    clips: pd.DataFrame, unusable: Sequence[bool] | np.ndarray, max_excluded: float
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield name, all clips and unusable clips of every split that a run would stop for (``data.max_excluded``)."""
    for split, own in clips.assign(unusable=unusable).groupby("split", sort=True):
        bad = own[own["unusable"]]
        if len(bad) > max_excluded * len(own) or len(bad) == len(own):
            yield split, own, bad


def is_leak(splits: Iterable[str]) -> bool:
    """Tell whether clips of these splits must not be one audio. Counterfactual clips may be others' originals."""
    return len(set(splits) & set(SPLITS)) > 1


def _check_leaks(manifest: pd.DataFrame) -> None:
    """Refuse audio that is learned from and scored on."""
    clips = manifest[manifest["split"].isin(SPLITS) & manifest["sha256"].duplicated(keep=False)]
    files = [
        " = ".join(f"{row.path} ({row.split})" for row in same.itertuples())
        for _, same in clips.groupby("sha256", sort=False)
        if is_leak(same["split"])
    ]
    if files:
        raise DatmosError(
            f"{len(files)} files are in more than one of the splits {', '.join(SPLITS)}, byte for byte: a model "
            "would be scored on what it has learned from. Keep each in one split:\n  " + listing(files, "\n  ")
        )
