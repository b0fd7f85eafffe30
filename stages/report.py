"""Write the report of the run: one page that opens offline."""

from pathlib import Path

from datmos.core.errors import run_stage
from datmos.core.files import write_text
from datmos.params.schema import load_params
from datmos.report.page import build_report


def main() -> None:
    """Write plots/report.html."""
    template = Path("src/datmos/report/page.html.jinja").read_text(encoding="utf-8")
    page = build_report(template, load_params(), metrics=Path("metrics"), plots=Path("plots"))
    write_text(Path("plots/report.html"), page)


if __name__ == "__main__":
    run_stage(main)
