"""Tables in GitHub markdown: cells and rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datmos.comparison.differences import number

METRIC_HEADINGS = {"mse": "MSE ↓", "srcc": "SRCC ↑"}


def cell(value: float, digits: int) -> str:
    """Return a number with so many decimals; n/a if it is not finite."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "n/a"


def spreads(summaries: Iterable[Mapping[str, Any]], digits: int) -> list[str]:
    """Mean over seeds, with the standard deviation if there are several."""
    pairs = [[cell(number(summary[key]), digits) for key in ("mean", "std")] for summary in summaries]
    return [mean if std == "n/a" else f"{mean} ± {std}" for mean, std in pairs]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows of cells out under a head; the first column is text, the others are numbers."""
    lines = [head, [":---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
