"""The answer of a made-up run, and that every number in it is where it says it is."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from datmos.comparison.rivals import Rivals
from datmos.core.errors import DatmosError
from datmos.report.summary import Findings, Numbers
from helpers.finished_run import write_run


class Sentence(HTMLParser):
    """A sentence taken apart: its text, that outside of <data>, and (address, value, text) of each number."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.outside = "", ""
        self.numbers: list[tuple[str, str, str]] = []
        self._open: dict[str, str | None] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag == "data"
        self._open = dict(attributes)

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open is None:
            self.outside += data
        else:
            self.numbers.append((str(self._open["title"]), str(self._open["value"]), data))


RIVALS = Rivals(["plain", "dat"], ["ridge"], ["ridge"], ["plain", "dat", "ridge"], ["plain", "ridge"], {})


def found(folder: Path) -> Findings:
    write_run(folder)
    return Findings(Numbers(folder / "data/details"), ["PQ"], RIVALS, "plain")


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "data/details/significance.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def answer(folder: Path) -> list[str]:
    return [Sentence(one).text for one in found(folder).answer()]


def test_the_answer_names_the_best_strategy(tmp_path: Path) -> None:
    assert answer(tmp_path) == [
        "dat is separably better than plain in 1 of 2 comparisons: PQ MSE -0.50.",
        "dat is separably better than ridge in 0 of 1 comparisons, and worse in 0.",
        "It costs nothing that could be shown: dat is separably worse in no comparison.",
    ]


def test_what_it_costs(tmp_path: Path) -> None:
    write_run(tmp_path)
    path = tmp_path / "data/details/significance.json"
    numbers = json.loads(path.read_text())
    numbers["against"]["plain"]["PQ"]["dat"]["srcc"] |= {"difference": -0.0625, "separable": True}
    path.write_text(json.dumps(numbers))
    findings = Findings(Numbers(tmp_path / "data/details"), ["PQ"], RIVALS, "plain")
    assert Sentence(findings.answer()[2]).text == "It costs something: dat is separably worse in PQ SRCC -0.06."
    assert "| dat | PQ MSE -0.50 | PQ SRCC -0.06 | 0 of 2 | 0 / 0 | 88% |" in findings.table()


def test_nothing_is_separable(tmp_path: Path) -> None:
    findings = found(tmp_path)
    change(tmp_path, '"separable": true', '"separable": false')
    nothing = Findings(Numbers(tmp_path / "data/details"), ["PQ"], RIVALS, "plain")
    assert [Sentence(one).text for one in nothing.answer()] == [
        "This evaluation does not show that any strategy is better than plain. It could show differences in SRCC "
        "from 0.38 (PQ) on.",
        "plain is separably better than ridge in 0 of 1 comparisons, and worse in 0.",
        "No strategy is separably worse than plain either.",
    ]
    assert findings.verdicts["dat"].better  # as it was read before


def test_nothing_could_be_detected(tmp_path: Path) -> None:
    write_run(tmp_path)
    change(tmp_path, '"separable": true', '"separable": false')
    change(tmp_path, '"smallest_detectable": 0.375', '"smallest_detectable": null')
    nothing = Findings(Numbers(tmp_path / "data/details"), ["PQ"], RIVALS, "plain").answer()[0]
    assert nothing == "This evaluation does not show that any strategy is better than plain."


def test_no_regression_was_asked_for(tmp_path: Path) -> None:
    write_run(tmp_path)
    alone = RIVALS._replace(untrained=[], regressions=[], all=["plain", "dat"])
    said = Findings(Numbers(tmp_path / "data/details"), ["PQ"], alone, "plain").answer()[1]
    assert said == "It was not compared with plain regression (evaluate.references)."


def test_one_strategy_alone(tmp_path: Path) -> None:
    write_run(tmp_path)
    alone = Rivals(["plain"], [], [], ["plain"], ["plain"], {})
    findings = Findings(Numbers(tmp_path / "data/details"), ["PQ"], alone, "plain")
    assert findings.answer()[0] == "This evaluation does not show that any strategy is better than plain."
    assert findings.table().splitlines()[-1] == "| plain |  |  |  | 88% |"


def test_a_line_for_each(tmp_path: Path) -> None:
    lines = found(tmp_path).text().splitlines()
    assert lines[0] == "dat is separably better than plain in 1 of 2 comparisons: PQ MSE -0.50."
    assert lines[-5:] == [
        "| Strategy | better than plain | worse | not separable | better / worse than ridge | source read from h |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
        "| plain |  |  |  | 0 / 0 | 88% |",
        "| dat | PQ MSE -0.50 |  | 1 of 2 | 0 / 0 | 88% |",
        "| ridge |  |  | 1 of 1 |  |  |",
    ]
    assert "(chance: 19%)" in lines[6]


def test_every_number_is_where_it_says(tmp_path: Path) -> None:
    sentences = [Sentence(one) for one in found(tmp_path).answer()]
    shown = [number for sentence in sentences for number in sentence.numbers]
    assert shown
    for address, value, text in shown:
        file, _, keys = address.partition(": ")
        there = json.loads((tmp_path / file).read_text())
        for key in keys.split("."):
            there = there[key]
        assert float(value) == there
        assert float(text) == pytest.approx(there, abs=0.006)


def test_a_missing_number_is_named(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(DatmosError, match=r"data/details/significance\.json has no against\.plain\.CE; run"):
        Findings(Numbers(tmp_path / "data/details"), ["CE"], RIVALS, "plain")


def test_names_are_escaped(tmp_path: Path) -> None:
    write_run(tmp_path)
    change(tmp_path, '"dat"', '"<b>"')
    rivals = RIVALS._replace(trained=["plain", "<b>"], all=["plain", "<b>", "ridge"])
    findings = Findings(Numbers(tmp_path / "data/details"), ["PQ"], rivals, "plain")
    assert findings.answer()[0].startswith("&lt;b&gt; is separably better")
    assert "| &lt;b&gt; |" in findings.table()
