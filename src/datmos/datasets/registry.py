"""The kinds of datasets: each is called with ``data.root`` and ``data.aspects``.

A new one is a function that returns what `read_ratings` does, a line here and one in params.py.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from datmos.datasets.audiomos2025 import read_audiomos2025
from datmos.ratings import read_ratings


def _read_ratings_file(root: Path, aspects: list[str]) -> pd.DataFrame:
    return read_ratings(root / "ratings.csv", aspects)


DATASETS: dict[str, Callable[[Path, list[str]], pd.DataFrame]] = {
    "simulated": _read_ratings_file,
    "ratings": _read_ratings_file,
    "audiomos2025": read_audiomos2025,
}
