"""Numbers of runs in the documentation are those of the committed files."""

import re
from pathlib import Path

import pytest

from helpers.benchmark import load_benchmark
from helpers.places import REPOSITORY

SUMMARY = (REPOSITORY / "metrics/tables/summary.md").read_text()
TABLE_1 = (REPOSITORY / "metrics/tables/table1.md").read_text()
GAIN = re.compile(r"(?<![\w.])[+-]\d*\.\d\d\b")  # of one strategy on another: +0.16
SCORE = re.compile(r"(?<![\w.+-])0?(\.\d\d\d)\b")  # a correlation: 0.837 or .837
PAPER = "reproduce-the-paper.md"  # has the published ones
NO_SCORES = {".025", ".003"}  # the margin of `datmos select`; how far a GPU's scores were from a CPU's


def pages() -> list[Path]:
    found = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    return [page for page in found if page.name not in ("results.md", PAPER)]


def without_blocks(page: Path) -> str:
    """Drop what a command prints: scores of single clips, a change of K."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def test_the_page_of_results_is_the_one_that_the_committed_files_give() -> None:
    assert (REPOSITORY / "docs/results.md").read_text() == load_benchmark("results").page(), (
        "run `python benchmarks/results.py`"
    )


def test_readme_shows_what_make_run_prints() -> None:
    answer = "\n".join(f"> {line}".rstrip() for line in SUMMARY.splitlines()[:5])
    assert answer in (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_page_has_a_score_of_its_own(page: Path) -> None:
    text = without_blocks(page)
    assert [gain for gain in GAIN.findall(text) if gain not in SUMMARY] == []
    assert [one for one in SCORE.findall(text) if one not in TABLE_1 and one not in NO_SCORES] == []


def test_the_patterns_find_what_they_should() -> None:
    text = (
        "CE SRCC +0.16 and MSE -0.30, SRCC .837 and 0.837; 0.001 apart, version 3.11.2, lambda 0.5, 1.0e-2, 0.9.1"
    )
    assert GAIN.findall(text) == ["+0.16", "-0.30"]
    assert SCORE.findall(text) == [".837", ".837", ".001"]


@pytest.mark.parametrize("page", [*pages(), *(REPOSITORY / "docs" / one for one in (PAPER, "results.md"))], ids=str)
def test_every_link_leads_to_a_committed_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_limits_of_length() -> None:
    words = {page: len(page.read_text().split()) for page in pages()}
    assert words.pop(REPOSITORY / "README.md") <= 900
    paper = len((REPOSITORY / "docs" / PAPER).read_text().split())
    assert sum(words.values()) + paper <= 9500
