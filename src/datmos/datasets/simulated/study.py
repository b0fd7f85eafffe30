"""The simulated listening study: plan it, render it, rate it, write it."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from datmos.core.files import write_csv
from datmos.core.seeding import derive_seed
from datmos.datasets.settings import CorpusParams
from datmos.datasets.simulated.listeners import draw_pool, rate
from datmos.datasets.simulated.render import Job, Seeds, write_clip
from datmos.datasets.simulated.signature import Signature, draw_signature
from datmos.datasets.simulated.truth import (
    ASPECTS,
    CATEGORIES,
    SOURCES,
    Truth,
    draw_generated,
    draw_natural,
    draw_systems,
)


class PlannedClip(NamedTuple):
    """One planned clip."""

    id: str
    split: str
    category: str
    source: str
    system: str  # empty for natural clips
    truth: Truth
    base: str = ""  # counterfactual clips: the content that several of them share

    @property
    def path(self) -> str:
        """Where the audio goes, relative to the study's root."""
        return f"audio/{self.split}/{self.system or self.source}/{self.id}.wav"


def render_study(params: CorpusParams, root: Path, workers: int | None = None) -> dict[str, Any]:
    """Write ``audio/`` and ``ratings.csv`` under ``root`` and return counts and moments of the scores.

    The bytes depend on ``params`` alone, not on ``workers`` (None: one a core, fewer for few clips).
    """
    clips = plan_study(params)
    for folder in sorted({Path(clip.path).parent for clip in clips}):
        (root / folder).mkdir(parents=True, exist_ok=True)
    _render([make_job(clip, params) for clip in clips], root, workers)
    table = rate_study(clips, params)
    write_csv(root / "ratings.csv", table)
    return summarise(table)


def plan_study(params: CorpusParams) -> list[PlannedClip]:
    """Draw the true scores of all clips: train, valid (by source), eval (by system), counterfactual (by base)."""
    return [*_natural_clips(params), *_generated_clips(params), *_counterfactual_clips(params)]


def signature_of(source: str, params: CorpusParams) -> Signature:
    """Return the signature of a source or a generator (``gen_sys01``), derived from its name."""
    return draw_signature(_rng(params, "signature", source))


def clip_seeds(clip_id: str, params: CorpusParams) -> Seeds:
    """Return the seeds of a clip, derived from its name."""
    return Seeds(*(derive_seed("corpus", params.seed, use, clip_id) for use in Seeds._fields))


def make_job(clip: PlannedClip, params: CorpusParams) -> Job:
    """Collect what a worker needs to render ``clip``."""
    return Job(
        path=clip.path,
        truth=clip.truth,
        category=clip.category,
        signature=signature_of(clip.source, params),
        seeds=clip_seeds(clip.base or clip.id, params),  # clips of one base differ in nothing but the signature
        seconds=params.clip_seconds,
    )


def rate_study(clips: list[PlannedClip], params: CorpusParams) -> pd.DataFrame:
    """Let the listeners rate the clips: the table of ratings.csv, one row a clip, in the order given.

    Counterfactual clips are not rated: they ask how predictions differ, not whether they are right.
    """
    pool = draw_pool(params.raters, _rng(params, "listeners"))
    rows: list[dict[str, Any]] = []
    for clip in clips:
        rated = not clip.base
        ratings = rate(clip.truth, pool, params.raters, _rng(params, "ratings", clip.id))
        rows.append(
            {
                "path": clip.path,
                "split": clip.split,
                "category": clip.category,
                "source": clip.source,
                "system": clip.system,
                "base": clip.base,
                **{aspect: ratings[:, k].mean() if rated else np.nan for k, aspect in enumerate(ASPECTS)},
                **{
                    f"{aspect}_ratings": ";".join(map(str, ratings[:, k])) if rated else ""
                    for k, aspect in enumerate(ASPECTS)
                },
                **{f"{aspect}_true": clip.truth[k] for k, aspect in enumerate(ASPECTS)},
            }
        )
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Return ``{clips: {split: {category: n}}, scores: {split: {aspect: {mean, sd}}}}``; scores: rated splits."""
    splits = {split: table[table["split"] == split] for split in ("train", "valid", "eval")}
    counterfactual = {"counterfactual": table[table["split"] == "counterfactual"]}
    return {
        "clips": {
            split: {category: int((part["category"] == category).sum()) for category in CATEGORIES}
            for split, part in (splits | counterfactual).items()
        },
        "scores": {
            split: {
                aspect: {"mean": float(part[aspect].mean()), "sd": float(part[aspect].std(ddof=0))}
                for aspect in ASPECTS
            }
            for split, part in splits.items()
        },
    }


def _natural_clips(params: CorpusParams) -> Iterator[PlannedClip]:
    number = 0  # runs on from train to valid: no two clips of a source share a name
    for split, count in (("train", params.train_per_source), ("valid", params.valid_per_source)):
        for source, published in SOURCES.items():
            for k in range(number, number + count):
                name = f"{source}_{k:03d}"
                truth = draw_natural(source, params.shortcut, _rng(params, "truth", name))
                yield PlannedClip(name, split, published.category, source, "", truth)
        number += count


def _generated_clips(params: CorpusParams) -> Iterator[PlannedClip]:
    categories = [CATEGORIES[k % len(CATEGORIES)] for k in range(params.systems)]
    means = draw_systems(categories, _rng(params, "systems"))
    for k, (category, mean) in enumerate(zip(categories, means, strict=True)):
        system = f"sys{k + 1:02d}"
        for clip in range(params.clips_per_system):
            name = f"{system}_{clip:03d}"
            truth = draw_generated(mean, category, _rng(params, "truth", name))
            yield PlannedClip(name, "eval", category, f"gen_{system}", system, truth)


def _counterfactual_clips(params: CorpusParams) -> Iterator[PlannedClip]:
    """Every base clip under the signature of every source; true scores are drawn as for generative systems."""
    categories = [CATEGORIES[k % len(CATEGORIES)] for k in range(params.counterfactuals)]
    if not categories:
        return
    means = draw_systems(categories, _rng(params, "counterfactuals"))
    for k, (category, mean) in enumerate(zip(categories, means, strict=True)):
        base = f"base{k + 1:02d}"
        truth = draw_generated(mean, category, _rng(params, "truth", base))
        for source in SOURCES:
            yield PlannedClip(f"{base}_{source}", "counterfactual", category, source, "", truth, base)


def _rng(params: CorpusParams, *names: str | int) -> np.random.Generator:
    return np.random.default_rng(derive_seed("corpus", params.seed, *names))


def _render(jobs: list[Job], root: Path, workers: int | None) -> None:
    """Render on several processes; a process takes a second to start, so each gets 64 clips or more."""
    workers = workers or min(os.cpu_count() or 1, 1 + len(jobs) // 64)
    write = partial(write_clip, root=root)
    bar = partial(tqdm, total=len(jobs), desc="rendering the study", unit="clip")
    if workers == 1:
        for _ in bar(map(write, jobs)):
            pass
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:  # safe beside torch's threads
        for _ in bar(pool.map(write, jobs, chunksize=4)):
            pass
