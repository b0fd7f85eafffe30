"""Write the report of the run: one page that opens offline."""

from datmos.core.errors import run_stage
from datmos.core.files import write_text
from datmos.core.places import METRICS, PLOTS
from datmos.params.schema import load_params
from datmos.report.page import build_report


def main() -> None:
    """Write plots/report.html."""
    write_text(PLOTS / "report.html", build_report(load_params(), METRICS, PLOTS))


if __name__ == "__main__":
    run_stage(main)
