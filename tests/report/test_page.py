"""The report: everything of a run is in it, and it needs nothing from elsewhere."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from datmos.comparison.rivals import find_rivals
from datmos.params.schema import Params
from datmos.report.page import NUMBERED, PICTURES, TABLES, build_report
from datmos.report.summary import Findings, Numbers
from helpers.finished_run import PNG, write_run
from helpers.places import REPOSITORY


@pytest.fixture
def page(tmp_path: Path) -> str:
    return write_page(tmp_path)


def write_page(folder: Path) -> str:
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    plain = raw["strategies"]["baseline"]
    raw |= {"strategies": {"plain": plain, "dat": plain | {"lambda": 0.375}}}
    raw["data"]["aspects"] = ["PQ"]
    raw["evaluate"] = {"baseline": "plain", "references": ["ridge"]}
    raw["granularity"]["strategies"], raw["umap"]["strategies"] = [], ["plain"]
    write_run(folder)
    raw["encoder"] |= {"kind": "transformers", "model": "<model>"}
    raw["embed"]["launcher"] = "somewhere"
    params = Params.model_validate(raw)
    findings = Findings(Numbers(folder / "data/details"), ["PQ"], find_rivals(params), "plain")
    return build_report(params, findings, folder / "data/details", folder / "metrics", folder / "plots")


class Links(HTMLParser):
    """Every address that a page would load or lead to, and whether its elements are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "action", "data")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_names_that_pictures_number_are_told(page: str, tmp_path: Path) -> None:
    assert "are numbered there" not in page
    (tmp_path / "plots/figures" / NUMBERED).write_text('{"no. 1": "\ud55c<b>", "no. 2": "x"}')
    assert "no. 1 is \ud55c&lt;b&gt;; no. 2 is x." in write_page(tmp_path)


def test_it_loads_nothing_from_elsewhere_and_is_well_formed(page: str) -> None:
    links = Links(page)
    assert links.open == []
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in links.addresses)
    assert not re.search(r"@import|url\(|<script|<link", page)
    for anchor in re.findall(r'href="#(\w+)"', page):
        assert f'id="{anchor}"' in page


def test_it_has_every_picture_table_and_setting(page: str) -> None:
    pictures = re.findall(r'base64,([^"]+)"', page)
    assert [base64.b64decode(data) for data in pictures] == [
        PNG + name.encode()
        for name in [*(f"figures/{name}" for name in ("forest", *PICTURES)), "figures/umap_plain"]
    ]
    for name in ("table1", "summary", *TABLES.values()):
        assert f"<p>About {name}.</p>" in page
    assert page.count("<strong>2</strong>") == len(TABLES) + 2  # and Table I, and the summary
    assert "<td>dat</td><td>source</td><td>0.375</td>" in page
    assert "model: &lt;model&gt;" in page
    assert "lambda: 0.375" in page
    assert "somewhere" not in page  # how embeddings are computed changes nothing
    assert "<td>eval</td><td>8</td><td>1</td><td>0.50</td><td>1</td><td>2</td><td>5.00 (1.00)</td>" in page
    assert "torch 2" in page
    assert "simulated" in page
    assert "dat</td>" in page
    assert "dat is separably better than plain in 1 of 2 comparisons: PQ MSE <data" in page


def test_it_is_the_same_every_time(page: str, tmp_path: Path) -> None:
    """In another folder, on another day, and with files that were written in another order."""
    elsewhere = tmp_path / "elsewhere"
    assert write_page(elsewhere) == page
    for unwanted in (str(tmp_path), str(REPOSITORY)):
        assert unwanted not in page
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", page)  # no date of the day it was written
