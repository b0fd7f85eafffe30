"""Lay the results of all strategies and references of params.yaml side by side."""

import json
from pathlib import Path

from datmos.comparison import chart_rows, compare, comparison_rows, shortcut_table, table1
from datmos.errors import run_stage
from datmos.files import write_csv, write_metrics, write_text
from datmos.params import load_params


def main() -> None:
    """Write metrics/comparison.json, table1.md and shortcuts.md, plots/comparison.csv, mse.csv and srcc.csv."""
    params = load_params()
    aspects = params.data.aspects
    # by name, never by what lies in the folder: results of a removed strategy stay on disk
    metrics = {
        name: json.loads(Path(f"metrics/strategies/{name}.json").read_text(encoding="utf-8"))
        for name in [*params.strategies, *params.evaluate.references]
    }
    rows = comparison_rows(metrics, aspects)
    write_metrics(Path("metrics/comparison.json"), compare(metrics, params.evaluate.baseline, aspects))
    write_text(Path("metrics/table1.md"), table1(metrics, aspects))
    write_text(Path("metrics/shortcuts.md"), shortcut_table(metrics, aspects))
    write_csv(Path("plots/comparison.csv"), rows)
    for metric in ("mse", "srcc"):
        write_csv(Path(f"plots/{metric}.csv"), chart_rows(rows, metric))


if __name__ == "__main__":
    run_stage(main)
