"""The manifest: one row a usable clip; everything later reads clips from here."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from datmos.audio import UnusableAudioError, file_digest, read_excerpt
from datmos.errors import DatmosError, listing
from datmos.params import AudioParams
from datmos.ratings import TEXT_COLUMNS


def build_manifest(
    ratings: pd.DataFrame, root: Path, audio: AudioParams, max_excluded: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Try every clip of a ratings table and keep the usable ones.

    Each clip's excerpt is decoded (in threads), not only its header read: some broken files show a good
    header, and `embed` must be able to rely on every row.

    Args:
        ratings: as `datmos.ratings.read_ratings` gives it.
        root: folder that the paths are relative to.
        audio: which part of a clip is used.
        max_excluded: largest fraction of a split that may be unusable.

    Returns:
        The manifest (clip_id and the ratings table's columns, with duration_s, sample_rate, channels, sha256),
        sorted by clip_id; and the excluded clips (path, split, reason).

    Raises:
        DatmosError: more than ``max_excluded`` of a split is unusable, or nothing is left of one.
    """
    table = ratings.sort_values("path", kind="stable", ignore_index=True)
    with ThreadPoolExecutor() as threads:
        results = threads.map(lambda name: _try_clip(root / name, audio), table["path"])
        found = list(tqdm(results, total=len(table), desc="reading audio", unit="clip"))
    usable = pd.Series([isinstance(result, dict) for result in found], index=table.index)
    reasons = [result for result in found if isinstance(result, str)]
    excluded = table.loc[~usable, ["path", "split"]].assign(reason=reasons)
    _check_excluded(table, excluded, max_excluded)
    headers = pd.DataFrame([result for result in found if isinstance(result, dict)], index=table.index[usable])
    manifest = table[usable].join(headers).rename_axis(None)
    manifest.insert(0, "clip_id", manifest["path"])
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
    """Counts and label statistics for metrics/manifest.json."""
    return {
        split: {
            "clips": len(clips),
            "excluded": int((excluded["split"] == split).sum()),
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
        header = read_excerpt(path, audio)[1]
        return header._asdict() | {"sha256": file_digest(path)}
    except (UnusableAudioError, OSError) as error:
        return str(error)


def _check_excluded(table: pd.DataFrame, excluded: pd.DataFrame, max_excluded: float) -> None:
    for split, clips in table.groupby("split", sort=True):
        bad = excluded[excluded["split"] == split]
        if len(bad) > max_excluded * len(clips) or len(bad) == len(clips):
            raise DatmosError(
                f"{len(bad)} of {len(clips)} {split} clips can't be used, more than data.max_excluded "
                f"{max_excluded:g} allows. Mend or remove them, or raise data.max_excluded:\n  "
                + listing([f"{row.path}: {row.reason}" for row in bad.itertuples()], "\n  ")
            )
