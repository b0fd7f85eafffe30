"""The warning that a model of the simulated study is asked to score other sound."""

import os
from collections.abc import Iterable
from pathlib import Path

from datmos.core.paths import CORPUS
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.scorer import Scorer

WARNING = (
    "warning: this model knows only the simulated study. Its scores of real sound mean nothing. Train on your own "
    "ratings (docs/use-your-own-ratings.md), or use --model facebook/audiobox-aesthetics."
)


def warning_of(scorer: Scorer, clips: Iterable[ListedClip], here: Path = Path()) -> str | None:
    """Return the warning if the model was trained on the simulated study, and a clip is not the study's.

    Args:
        scorer: of the model. One that does not say what it was trained on gives no warning.
        clips: to score.
        here: the project's folder. The study's audio lies in its data/corpus.
    """
    if scorer.trained_on != "simulated":
        return None
    corpus = Path(os.path.realpath(here / CORPUS))
    of_the_study = (clip.problem is not None or _lies_in(corpus, clip.path) for clip in clips)
    return None if all(of_the_study) else WARNING


def _lies_in(corpus: Path, path: Path) -> bool:
    """Tell whether a file, or a link to it, lies in the folder: DVC may put links to its cache there."""
    link = Path(os.path.realpath(path.parent), path.name)
    return any(place.is_relative_to(corpus) for place in (link, Path(os.path.realpath(path))))
