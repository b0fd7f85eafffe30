"""Lay all results out: tables, CSV for `dvc plots`, and one page that opens offline."""

import pandas as pd

from datmos.comparison.rivals import find_rivals
from datmos.comparison.summaries import chart_rows, training_rows
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_csv, write_text
from datmos.core.paths import CURVES, DETAILS, METRICS, PLOTS
from datmos.params.schema import load_params
from datmos.report.page import build_report
from datmos.report.summary import Findings, Numbers
from datmos.report.tables import probe_table, shortcut_table, write_shared_tables


def main() -> None:
    """Write metrics/tables/, plots/scores.csv, plots/training.csv and plots/report.html."""
    params, tables = load_params(), METRICS / "tables"
    aspects, rivals = params.data.aspects, find_rivals(params)
    findings = Findings(Numbers(DETAILS), aspects, rivals, params.evaluate.baseline)
    write_text(tables / "summary.md", findings.text())
    write_shared_tables(tables, DETAILS, aspects, published=params.data.kind == "audiomos2025")
    write_text(tables / "shortcuts.md", shortcut_table(read_json(DETAILS / "strategies.json"), aspects))
    write_text(tables / "probes.md", probe_table(read_json(DETAILS / "probes.json")))
    curves = {name: pd.read_csv(CURVES / f"{name}.csv") for name in rivals.trained}
    write_csv(PLOTS / "scores.csv", chart_rows(read_json(METRICS / "scores.json")))
    write_csv(PLOTS / "training.csv", training_rows(curves))
    write_text(PLOTS / "report.html", build_report(params, findings, DETAILS, METRICS, PLOTS))


if __name__ == "__main__":
    run_stage(main)
