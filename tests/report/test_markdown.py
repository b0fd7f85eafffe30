"""Names in Markdown: shown as they are, and left alone where they hold no marks."""

import pytest
from markdown_it import MarkdownIt

from datmos.report.markdown import code, code_block, markdown_table, plain, sentence
from helpers.hostile_names import HOSTILE, Seen, shown
from helpers.places import REPOSITORY

READERS = {  # the second shows raw HTML, as most do
    "github": MarkdownIt("gfm-like", {"linkify": False}),
    "commonmark": MarkdownIt("commonmark", {"html": True}).enable("table"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_as_it_is(name: str, reader: str) -> None:
    found = Seen(READERS[reader].render(plain(name)))
    assert found.tags == {"p"}
    assert found.text.strip() == shown(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_in_its_cell(name: str) -> None:
    table = markdown_table([plain(name), "x"], [[plain(name), "1"], ["last", "2"]])
    found = Seen(READERS["github"].render(table))
    assert found.rows == [[shown(name), "x"], [shown(name), "1"], ["last", "2"]]
    assert found.tags == {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    "name",
    ["dat_source", "tuned_dat", "PQ", "MUSDB18", "Common Voice", "me/dat-1.0", "Ton & Text", "a,b;c:d", "0.5", "é"],
)
def test_a_plain_name_is_left_alone(name: str) -> None:
    assert plain(name) == name
    assert sentence(name) == name


def test_names_of_the_committed_tables_are_left_alone() -> None:
    found = set()
    for path in (REPOSITORY / "metrics/tables").glob("*.md"):
        lines = path.read_text(encoding="utf-8").splitlines()
        found |= {line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")}
    names = {name for name in found if not name.startswith(("*", ":"))}
    assert {"multigauss", "dat_source"} <= names
    assert {plain(name) for name in names} == names


@pytest.mark.parametrize("name", HOSTILE)
def test_code_ends_where_the_name_ends(name: str) -> None:
    found = Seen(READERS["commonmark"].render(f"{code(name)} *after*"))
    assert found.tags == {"p", "code", "em"}
    assert shown(found.text) == f"{shown(name)} after"


@pytest.mark.parametrize("text", ["a: 1\n", "a: |\n  ```\n  <img src=x>\n", "````\n```"])
def test_a_block_ends_where_its_text_ends(text: str) -> None:
    found = Seen(READERS["commonmark"].render(code_block(text, "yaml") + "\n\n*after*\n"))
    assert found.tags == {"pre", "code", "p", "em"}
    assert found.text == f"{text.rstrip()}\n\nafter\n"


def test_a_plain_block_has_a_plain_fence() -> None:
    assert code_block("a: 1\n", "yaml") == "```yaml\na: 1\n```"


def test_a_sentence_keeps_its_own_code() -> None:
    assert sentence("Not so: <b>. Run `dvc repro`.") == "Not so: &lt;b&gt;. Run `dvc repro`."
