"""GitHub markdown: tables, their cells, and names from data in it."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datmos.comparison.summaries import number

METRIC_HEADINGS = {"mse": "MSE ↓", "srcc": "SRCC ↑"}
BREAKS = re.compile(r"[\s\x00-\x1f\x7f]+")
SPANS = re.compile(r"(`[^`\n]+`)")
REFERENCE = re.compile(r"&(?=#?\w+;)")  # what a browser would read as a character
MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word means nothing
LEADING = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[#+=-]))")  # of a heading, a rule, or an item of a list


def plain(text: str) -> str:
    """Escape a text, such as a name from data, so that Markdown shows it in one line as it is.

    A text without marks, such as dat_source, stays as it is. Angle brackets become entities: no reader finds a tag.
    """
    text = REFERENCE.sub("&amp;", BREAKS.sub(" ", text))
    text = MARKS.sub(r"\\\g<0>", text).replace("<", "&lt;").replace(">", "&gt;")
    return LEADING.sub(r"\1\\", text)


def sentence(text: str) -> str:
    """Escape a sentence with names in it, but for its own code spans, such as `dvc repro`."""
    parts = SPANS.split(text)
    return "".join(part if place % 2 else plain(part) for place, part in enumerate(parts))


def code(text: str) -> str:
    """Return a text as a code span. It is for sentences, not for the cells of tables."""
    text = BREAKS.sub(" ", text)
    ticks = _fence(text, 1)
    space = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def code_block(text: str, language: str) -> str:
    """Return lines as a fenced block, whose fence is longer than any in them."""
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _fence(text: str, least: int) -> str:
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def with_interval(text: str, found: Mapping[str, Any], form: str) -> str:
    """Add ``low`` and ``high`` of an interval, formatted by ``form``, to a number, if both are known."""
    low, high = (number(found.get(key)) for key in ("low", "high"))
    return text if math.isnan(low + high) else f"{text} [{low:{form}}, {high:{form}}]"


def cell(value: float, digits: int) -> str:
    """Return a number with so many decimals; n/a if it is not finite."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "n/a"


def spreads(summaries: Iterable[Mapping[str, Any]], digits: int) -> list[str]:
    """Mean over seeds, with the standard deviation if there are several."""
    pairs = [[cell(number(summary[key]), digits) for key in ("mean", "std")] for summary in summaries]
    return [mean if std == "n/a" else f"{mean} ± {std}" for mean, std in pairs]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows of cells out under a head; the first column is text, the others are numbers.

    Cells are Markdown: names from data go through `plain` first.
    """
    lines = [head, [":---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
