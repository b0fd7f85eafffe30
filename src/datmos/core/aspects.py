"""The names that an aspect may have."""

from collections.abc import Sequence
from itertools import combinations

# Names in tables and rows that have a column or an entry for each aspect too. An aspect can't have one of them.
MANIFEST_COLUMNS = (
    "clip_id", "path", "split", "category", "source", "system", "base", "duration_s", "sample_rate", "channels",
    "sha256", "seed",
)  # fmt: skip
ROW_COLUMNS = (  # of `datmos score`
    "path", "seconds", "distance", "percentile", "band_limit", "warnings", "model", "version", "hop_s", "bytes",
    "modified", "error", "timeline",
)  # fmt: skip
WINDOW_COLUMNS = ("start_s", "end_s", "weight", "distance", "second")  # of a score's windows and its time line
OTHER_COLUMNS = ("missing", "file", "problem", "set", "k", "nominal", "observed", "joint", "index")
RESERVED = frozenset((*MANIFEST_COLUMNS, *ROW_COLUMNS, *WINDOW_COLUMNS, *OTHER_COLUMNS))
ASPECT_SUFFIXES = ("_ratings", "_true", "_std")  # of columns that belong to an aspect


def check_aspect_names(aspects: Sequence[str]) -> None:
    """Refuse names of aspects that would meet other names in the tables.

    Raises:
        ValueError: a name is given twice, is the name of another column, or gives a column that another one gives.
    """
    if len(set(aspects)) < len(aspects):
        raise ValueError(f"aspects: every name once, got {list(aspects)}")
    if taken := sorted(RESERVED.intersection(aspects)):
        raise ValueError(
            f"aspects: {', '.join(taken)} is the name of another column; rename the aspect. Names that are taken: "
            f"{', '.join(sorted(RESERVED))}"
        )
    for aspect in aspects:
        if aspect.endswith(ASPECT_SUFFIXES):
            raise ValueError(f"aspects: {aspect} must not end in {', '.join(ASPECT_SUFFIXES)}; rename the aspect")
    pairs: dict[str, tuple[str, str]] = {}
    for pair in combinations(aspects, 2):
        column = f"cov_{pair[0]}_{pair[1]}"  # see `datmos.core.predictions`
        if column in aspects:
            raise ValueError(
                f"aspects: {column} is the name of the column for the covariance of {' and '.join(pair)}; rename "
                "the aspect"
            )
        if column in pairs:
            raise ValueError(
                f"aspects: {' and '.join(pair)}, and {' and '.join(pairs[column])}, give one column {column}; "
                "rename an aspect"
            )
        pairs[column] = pair
