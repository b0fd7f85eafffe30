"""What a run would find in the data, in seconds: before anything is rendered, decoded or trained."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from datmos.audio.decoders import open_sound
from datmos.audio.excerpt import read_excerpt
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.core.clips import SPLITS
from datmos.core.errors import listing
from datmos.core.files import file_digest
from datmos.core.registry import find
from datmos.datasets.checks import rating_problems
from datmos.datasets.manifest import is_leak, splits_that_lost_too_much
from datmos.datasets.settings import DATASETS, EVALUATION_SETS, DataParams, EvaluationSetParams


class Preflight(NamedTuple):
    """What `check_data` found."""

    # as datasets list them, with set ("": the dataset itself), file, duration_s (NaN: unusable), problem ("": none)
    clips: pd.DataFrame
    copies: list[list[str]]  # files with the same content, "path (split)" each
    leaks: list[list[str]]  # those of them that are in two of the splits train, valid, eval
    refused: list[str]  # why a run would stop


def check_data(data: DataParams, sets: Mapping[str, EvaluationSetParams], audio: AudioParams) -> Preflight:
    """Look at every file of the dataset and the evaluation sets: is it there, can it be used, is it there twice.

    Only headers are read (and files whose header libsndfile can't read), and only files of equal size compared: a
    file that is broken further in is found by the manifest stage.

    Raises:
        DatmosError: the lists of a dataset can't be read.
    """
    clips = _list_clips(data, sets)
    absent = [
        not missing and not file.exists() for file, missing in zip(clips["file"], clips["missing"], strict=True)
    ]
    clips.loc[absent, "missing"] = "no such file"
    with ThreadPoolExecutor() as threads:
        looks = threads.map(
            lambda file, missing: (None, missing) if missing else _look(file, audio),
            clips["file"],
            clips["missing"],
        )
        found = list(tqdm(looks, total=len(clips), desc="reading headers", unit="clip"))
    clips["duration_s"] = pd.Series([seconds for seconds, _ in found], dtype=float)
    clips["problem"] = [problem for _, problem in found]
    same = list(_same_content(clips.loc[clips["problem"] == "", "file"]))
    names = (
        clips["path"] + " (" + clips["set"] + clips["set"].where(clips["set"] == "", ", ") + clips["split"] + ")"
    )
    copies = [[names[row] for row in rows] for rows in same]
    leaks = [group for group, rows in zip(copies, same, strict=True) if is_leak(clips.loc[rows, "split"])]
    return Preflight(clips, copies, leaks, list(_refusals(clips, leaks, data, sets)))


def _list_clips(data: DataParams, sets: Mapping[str, EvaluationSetParams]) -> pd.DataFrame:
    listed = {"": (find(DATASETS, data.kind), data.root)}
    listed |= {name: (find(EVALUATION_SETS, own.kind), own.root) for name, own in sets.items()}
    tables = []
    for name, (read, root) in listed.items():
        table = read(root, data.aspects)
        tables.append(table.assign(set=name, file=[root / path for path in table["path"]]))
    return pd.concat(tables, ignore_index=True)


def _look(path: Path, audio: AudioParams) -> tuple[float | None, str]:
    """Duration in seconds, or None and what is wrong."""
    try:
        with open_sound(path) as (sound, _):
            seconds = sound.seconds
        if seconds is None:  # the format has no header
            seconds = read_excerpt(path, audio)[1].duration_s
    except UnusableAudioError as error:
        return None, str(error)
    if seconds < audio.min_seconds:
        return None, f"{seconds:.3g} s long, shorter than audio.min_seconds {audio.min_seconds:g}"
    return seconds, ""


def _same_content(files: pd.Series) -> Iterator[list[int]]:
    """Rows of files that are the same, byte for byte; only files of equal size are read."""
    by_size = defaultdict(list)
    for row, file in files.items():
        by_size[file.stat().st_size].append(row)
    for rows in by_size.values():
        if len(rows) > 1:
            by_digest = defaultdict(list)
            for row in rows:
                by_digest[file_digest(files[row])].append(row)
            yield from (same for same in by_digest.values() if len(same) > 1)


def _refusals(
    clips: pd.DataFrame, leaks: list[list[str]], data: DataParams, sets: Mapping[str, EvaluationSetParams]
) -> Iterator[str]:
    limits = {"": ("data", data.max_excluded)}
    limits |= {name: (f"evaluation_sets.{name}", own.max_excluded) for name, own in sets.items()}
    for name, (key, limit) in limits.items():
        listed = clips[clips["set"] == name]
        for split, own, bad in splits_that_lost_too_much(listed, listed["problem"] != "", limit):
            allowed = f"{key}.max_excluded {limit:g} allows"
            yield f"{len(bad)} of {len(own)} {split} clips can't be used, more than {allowed}"
        yield from rating_problems(listed, data.aspects, data.scale)
    if leaks:
        yield f"{len(leaks)} files are in more than one of the splits {', '.join(SPLITS)}"


def preflight_text(
    found: Preflight, data: DataParams, sets: Mapping[str, EvaluationSetParams], audio: AudioParams
) -> str:
    """Lay out what `check_data` found, for a terminal."""
    clips, seconds = found.clips, audio.clip_seconds
    parts = [_describe(clips[clips["set"] == ""], f"{data.kind}: {data.root}", data.aspects)]
    for name, own in sets.items():
        title = f"evaluation set {name}, {own.kind}: {own.root}"
        parts.append(_describe(clips[clips["set"] == name], title, data.aspects))
    bad = clips["problem"] != ""
    usable = int((~bad).sum())
    parts.append(f"to embed: {usable} clips x {seconds:g} s = {usable * seconds / 3600:.2f} hours of audio")
    if bad.any():
        shown = [f"{row.path} ({row.split}): {row.problem}" for row in clips[bad].itertuples()]
        parts.append("can't be used:\n  " + listing(shown, "\n  "))
    if found.copies:
        parts.append("the same content:\n  " + listing([" = ".join(group) for group in found.copies], "\n  "))
    parts.append("\n".join(f"a run would stop: {reason}" for reason in found.refused) or "a run would start")
    return "\n\n".join(parts)


def _describe(clips: pd.DataFrame, title: str, aspects: list[str]) -> str:
    """Count the clips of one dataset by split and source, its systems and its raters."""
    missing, bad = clips["missing"] != "", clips["problem"] != ""
    counts = pd.DataFrame(
        {"listed": 1, "missing": missing, "unusable": bad & ~missing, "hours": clips["duration_s"] / 3600}
    )
    table = counts.groupby([clips["split"], clips["source"]], sort=True).sum()
    evaluated = clips[clips["split"] == "eval"]
    systems = evaluated.groupby("system").size()
    raters = {aspect: evaluated[f"{aspect}_ratings"].dropna().map(len) for aspect in aspects}
    return "\n\n".join(
        [
            title,
            table.to_string(float_format="{:.2f}".format),
            f"systems: {len(systems)}, with {systems.min()} to {systems.max()} eval clips",
            "single ratings of an eval clip: "
            + ", ".join(
                f"{a} {own.min()} to {own.max()}" if len(own) else f"{a} none" for a, own in raters.items()
            ),
        ]
    )
