"""What was asked of a run of `datmos score`, and the scoring of its clips by that."""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple

from datmos.core.errors import DatmosError, nearest
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.score import Failure, Score
from datmos.scoring.scorer import Scorer


class Options(NamedTuple):
    """What was asked for."""

    inputs: list[str]
    model: str
    revision: str | None
    trust: bool  # in the model's author, see `datmos.load`
    device: str | None
    minima: dict[str, float]  # lowest score of an aspect that is given
    timeline: bool
    hop_seconds: float | None
    workers: int | None
    batch_seconds: float | None


def hop_of(options: Options, scorer: Scorer) -> float | None:
    """Return the seconds between two windows; None: as long as a window."""
    if options.timeline and options.hop_seconds is None:
        return min(1.0, scorer.model.windowing.seconds)
    return options.hop_seconds


def check_aspects(minima: dict[str, float], aspects: list[str]) -> None:
    """Refuse a minimum of an aspect that the model does not have."""
    for name in minima:
        if name not in aspects:
            raise DatmosError(
                f"--min {name}: the model has no such aspect{nearest(name, aspects)} "
                f"Expected one of: {', '.join(aspects)}"
            )


def score_clips(
    clips: Sequence[ListedClip], scorer: Scorer, options: Options
) -> Generator[Score | Failure, None, None]:
    """Score clips, in order; one that names no file fails with its problem.

    Raises:
        DatmosError: see `Scorer.stream`.
    """
    scored = scorer.stream(
        (clip.path for clip in clips if clip.problem is None),
        hop_seconds=hop_of(options, scorer),
        workers=options.workers,
        batch_seconds=options.batch_seconds,
    )
    with closing(scored):
        for clip in clips:
            yield next(scored) if clip.problem is None else Failure(clip.name, clip.problem)
