"""Lay the results of all strategies, combinations and references of params.yaml side by side."""

from pathlib import Path

from datmos.comparison.differences import chart_rows, compare, comparison_rows
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_csv, write_metrics, write_text
from datmos.params.schema import load_params
from datmos.report.tables import (
    agreement_table,
    probe_table,
    shortcut_table,
    significance_table,
    table1,
    uncertainty_table,
    within_table,
)


def main() -> None:
    """Write metrics/comparison.json, the tables of metrics/, and plots/comparison.csv, mse.csv and srcc.csv."""
    params = load_params()
    aspects = params.data.aspects
    # by name, never by what lies in the folder: results of a removed strategy stay on disk
    metrics = {name: read_json(Path(f"metrics/strategies/{name}.json")) for name in params.compared}
    uncertainty = {name: read_json(Path(f"metrics/uncertainty/{name}.json")) for name in params.trained}
    probes = {name: read_json(Path(f"metrics/probes/{name}.json")) for name in params.trained}
    significance, ceilings = read_json(Path("metrics/significance.json")), read_json(Path("metrics/ceilings.json"))
    rows = comparison_rows(metrics, aspects)
    write_metrics(Path("metrics/comparison.json"), compare(metrics, params.evaluate.baseline, aspects))
    write_text(Path("metrics/table1.md"), table1(metrics, aspects, significance, ceilings))
    write_text(Path("metrics/agreement.md"), agreement_table(metrics, aspects, ceilings))
    write_text(Path("metrics/within.md"), within_table(metrics, aspects))
    write_text(Path("metrics/shortcuts.md"), shortcut_table(metrics, aspects))
    write_text(Path("metrics/uncertainty.md"), uncertainty_table(uncertainty, aspects))
    write_text(Path("metrics/probes.md"), probe_table(probes))
    write_text(Path("metrics/significance.md"), significance_table(significance, aspects))
    write_csv(Path("plots/comparison.csv"), rows)
    for metric in ("mse", "srcc"):
        write_csv(Path(f"plots/{metric}.csv"), chart_rows(rows, metric))


if __name__ == "__main__":
    run_stage(main)
