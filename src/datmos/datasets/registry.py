"""The kinds of datasets: each is called with its root and ``data.aspects``, and returns what `read_ratings` does.

A new one is a function, a line here and one in params.py.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from datmos.datasets.audiomos2025 import read_audiomos2025, read_audiomos2025_evaluation
from datmos.datasets.pam import read_pam
from datmos.datasets.ratings import read_ratings

Reader = Callable[[Path, list[str]], pd.DataFrame]


def _read_ratings_file(root: Path, aspects: list[str]) -> pd.DataFrame:
    return read_ratings(root / "ratings.csv", aspects)


def _read_evaluation_rows(root: Path, aspects: list[str]) -> pd.DataFrame:
    clips = read_ratings(root / "ratings.csv", aspects, ("eval",))
    return clips[clips["split"] == "eval"].reset_index(drop=True)


# data.kind: clips to train, validate and evaluate on
DATASETS: dict[str, Reader] = {
    "simulated": _read_ratings_file,
    "ratings": _read_ratings_file,
    "audiomos2025": read_audiomos2025,
}
# evaluation_sets.<name>.kind: clips to evaluate on
EVALUATION_SETS: dict[str, Reader] = {
    "ratings": _read_evaluation_rows,
    "audiomos2025": read_audiomos2025_evaluation,
    "pam": read_pam,
}
