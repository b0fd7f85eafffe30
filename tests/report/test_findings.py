"""Findings: the sentences of a made-up run, and that every number in them is where it says it is."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from datmos.core.errors import DatmosError
from datmos.report.findings import Numbers, findings
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


@pytest.fixture
def found(tmp_path: Path) -> dict[str, list[Sentence]]:
    write_run(tmp_path)
    written = findings(Numbers(tmp_path / "data/details"), ["PQ"], ["plain", "dat"], ["ridge"], "plain")
    return {heading: [Sentence(sentence) for sentence in sentences] for heading, sentences in written.items()}


def test_sentences(found: dict[str, list[Sentence]]) -> None:
    assert {heading: [sentence.text for sentence in sentences] for heading, sentences in found.items()} == {
        "Which predictor is best": [
            "PQ MSE: dat is best with 0.75, separable from all others (p = 0.031); noise ceiling 0.0156.",
            "PQ SRCC: dat is best with 0.562, not separable from all others (p = 0.25); noise ceiling 0.984.",
        ],
        "What each strategy changes": [
            # against dat the difference is as large, but p is not below 0.05
            "plain is not separable from dat in any aspect, neither by MSE nor by SRCC. This evaluation set would "
            "show MSE differences from 0.38 (PQ) on.",
            "dat lowers PQ MSE by -0.50 [-0.75, -0.25] against plain (p = 0.013).",
        ],
        "Against plain references": ["ridge beats plain in PQ MSE: 1.12 against 1.25, not separable (p = 0.88)."],
        "Shortcuts": [
            "PQ: under another source's signature, predictions of plain move by 0.38 of what the sources' train "
            "scores differ by; least with dat, -0.06 (means over seeds, not tested).",
        ],
        "What h gives away": [
            f"From h of {name}, a linear probe reads the source of 88% of the natural clips, a non-linear one of "
            "81% (chance: 19%)."
            for name in ("plain", "dat")
        ],
        "Uncertainty": [
            "The 95% intervals of plain hold 75% (PQ) of the eval clips. It is too sure of itself.",
            "plain: one Gaussian fitted to the train ratings explains the eval ratings better (7.00 nats a clip) "
            "than the head's Gaussians (9.00).",
            "The 95% intervals of dat hold 94% (PQ) of the eval clips.",
        ],
    }


def test_every_number_is_where_it_says(found: dict[str, list[Sentence]], tmp_path: Path) -> None:
    sentences = [sentence for group in found.values() for sentence in group]
    for sentence in sentences:
        assert not re.search(r"\d", sentence.outside.replace("95% intervals", "")), sentence.text
        for address, value, shown in sentence.numbers:
            file, _, keys = address.partition(": ")
            there = json.loads((tmp_path / file).read_text())
            for key in keys.split("."):
                there = there[key]
            assert float(value) == there
            number = float(shown.rstrip("%")) / (100 if shown.endswith("%") else 1)
            assert number == pytest.approx(there, rel=0.1, abs=0.006)
    assert sum(len(sentence.numbers) for sentence in sentences) > 20


def test_a_missing_number_is_named(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(DatmosError, match=r"data/details/significance\.json has no best\.CE\.mse\.strategy; run"):
        findings(Numbers(tmp_path / "data/details"), ["CE"], ["plain", "dat"], ["ridge"], "plain")


def test_names_are_escaped(tmp_path: Path) -> None:
    write_run(tmp_path)
    numbers = Numbers(tmp_path / "data/details")
    path = tmp_path / "data/details/significance.json"
    path.write_text(path.read_text().replace('"strategy": "dat"', '"strategy": "<b>"'))
    scores = tmp_path / "data/details/strategies.json"
    scores.write_text(scores.read_text().replace('"dat"', '"<b>"'))
    path.write_text(path.read_text().replace(', "dat": {"PQ"', ', "plain": {"PQ"'))  # nothing against dat
    written = findings(numbers, ["PQ"], ["plain"], [], "plain")
    assert "&lt;b&gt; is best" in written["Which predictor is best"][0]
