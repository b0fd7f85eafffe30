"""Names that a reader of Markdown or HTML would take for markup, and ways to see whether it did."""

from html.parser import HTMLParser

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</td><script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![shown](http://127.0.0.1/x.png)",
    "<http://127.0.0.1/>",
    "a|b||c",
    "a\\|b",
    "`code` and ``more",
    "two\n\n# lines\n```\nmore",
    "*bold* __bold__ ~~gone~~ _x_",
    "&lt;b&gt; &#60;",
    "# heading",
    "1. item",
    "$x$",
    "{{ 7 * 7 }} {% raw %}",
)


class Seen(HTMLParser):
    """What a browser finds: tags, attributes, and the text of the cells of all tables, row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


def shown(name: str) -> str:
    """How a name looks in one line."""
    return " ".join(name.split())
