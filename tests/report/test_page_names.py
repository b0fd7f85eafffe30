"""A report about data whose names are markup: it shows the names and obeys none."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from datmos.comparison.rivals import find_rivals
from datmos.params.schema import Params
from datmos.report.page import build_report
from datmos.report.summary import Findings, Numbers
from datmos.report.tables import agreement_table, significance_table, within_table
from helpers.finished_run import write_run
from helpers.hostile_names import HOSTILE, Seen, shown
from helpers.places import REPOSITORY

OWN_TAGS = {  # of the template, and of tables
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "nav", "a", "p", "em", "strong", "code",
    "div", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "ul", "li", "data", "figure",
    "img", "figcaption",
}  # fmt: skip
SUMMARY = {"mean": 0.5, "std": 0.1, "ensemble": 0.5}


def scores() -> dict[str, Any]:
    """What is measured of one aspect."""
    return {
        "evaluated_on": {"systems": 2, "clips": 8, "seeds": [0, 1]},
        "system": {"mse": SUMMARY},
        "utterance": {"mse": SUMMARY},
        "within_category": {name: {"srcc": SUMMARY} for name in HOSTILE},
        "groups": {"srcc_within_groups": SUMMARY, "srcc_of_split": SUMMARY},
    }


def report(folder: Path) -> str:
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    plain = raw["strategies"]["baseline"]
    raw |= {"strategies": {"plain": plain, "dat": plain | {"lambda": 0.375}}}
    raw["data"] |= {"kind": "ratings", "root": HOSTILE[1], "aspects": ["PQ"]}
    raw["encoder"] |= {"kind": "transformers", "model": HOSTILE[0]}
    raw["evaluate"] = {"baseline": "plain", "references": ["ridge"]}
    raw["granularity"]["strategies"], raw["umap"]["strategies"] = [], ["plain"]
    params = Params.model_validate(raw)
    findings = Findings(Numbers(folder / "data/details"), ["PQ"], find_rivals(params), "plain")
    return build_report(params, findings, folder / "data/details", folder / "metrics", folder / "plots")


def test_no_tag_comes_from_data_and_every_table_has_its_cells(tmp_path: Path) -> None:
    write_run(tmp_path)
    metrics = {"dat": {"PQ": scores()}}
    (tmp_path / "metrics/tables/within.md").write_text(within_table(metrics, ["PQ"]))
    page = report(tmp_path)
    found = Seen(page)
    assert found.tags <= OWN_TAGS
    assert not {name for name in found.attributes if name.startswith("on")}
    head = next(row for row in found.rows if row[-1] == "PQ within groups")
    assert head == ["Strategy", *(f"PQ {shown(name)}" for name in HOSTILE), "PQ within groups"]
    place = found.rows.index(head)
    assert [len(row) for row in found.rows[place : place + 3]] == [len(HOSTILE) + 2] * 3
    assert f"transformers {HOSTILE[0]}" in found.text
    assert f"ratings from {HOSTILE[1]}" in " ".join(found.text.split())


def test_a_table_that_holds_markup_is_shown_as_text(tmp_path: Path) -> None:
    """It may have been written by an earlier version, or by hand."""
    write_run(tmp_path)
    table = "| <img src=x onerror=alert(1)> | [a](javascript:x) [b](http://127.0.0.1) |\n| --- | --- |\n| 1 | 2 |\n"
    (tmp_path / "metrics/tables/within.md").write_text(table)
    found = Seen(report(tmp_path))
    assert "onerror" not in found.attributes
    assert ["<img src=x onerror=alert(1)>", "[a](javascript:x) [b](http://127.0.0.1)"] in found.rows


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_strategies_and_aspects_stay_in_their_place(name: str) -> None:
    """The settings allow few characters in them; a table does not count on that."""
    from markdown_it import MarkdownIt

    ceilings = {name: {"system": {"mse": 0.1}, "utterance": {"mse": 0.1}}}
    difference = {"difference": 0.5, "low": 0.1, "high": 0.9, "separable": True, "smallest_detectable": 0.1}
    against = {name: {name: {name: {"mse": difference, "srcc": difference}}}}
    for text in (
        agreement_table({name: {name: scores()}}, [name], ceilings),
        significance_table({"against": against}, [name]),
    ):
        found = Seen(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
        assert found.tags <= {"p", "em", "strong", "h2", "table", "thead", "tbody", "tr", "th", "td"}
        assert len({len(row) for row in found.rows}) == 1
        assert shown(name) in [row[0] for row in found.rows]
