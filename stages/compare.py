"""Lay all results side by side, by the names in params.yaml, and score the K ablation."""

import pandas as pd

from datmos.comparison.differences import chart_rows, compare, comparison_rows
from datmos.comparison.granularity import score_granularity
from datmos.comparison.rivals import find_rivals
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_csv, write_metrics, write_text
from datmos.core.places import GRANULARITY, MANIFEST, METRICS, PLOTS
from datmos.params.schema import load_params
from datmos.report.tables import probe_table, shortcut_table, write_shared_tables


def main() -> None:
    """Write comparison.json, granularity.json and tables/ to metrics/; comparison, mse and srcc.csv to plots/."""
    params = load_params()
    rivals = find_rivals(params)
    aspects = params.data.aspects
    # by name, never by what lies in the folder: results of a removed strategy stay on disk
    metrics = {name: read_json(METRICS / f"strategies/{name}.json") for name in rivals.all}
    uncertainty = {name: read_json(METRICS / f"uncertainty/{name}.json") for name in rivals.trained}
    probes = {name: read_json(METRICS / f"probes/{name}.json") for name in rivals.trained}
    significance, ceilings = read_json(METRICS / "significance.json"), read_json(METRICS / "ceilings.json")
    manifest = pd.read_parquet(MANIFEST)
    granularity = {
        name: score_granularity(pd.read_parquet(GRANULARITY / f"{name}.parquet"), manifest, aspects)
        for name in params.granularity.strategies
    }
    rows = comparison_rows(metrics, aspects)
    write_metrics(METRICS / "granularity.json", granularity)
    write_metrics(METRICS / "comparison.json", compare(metrics, params.evaluate.baseline, aspects))
    tables = METRICS / "tables"
    write_shared_tables(tables, aspects, metrics, uncertainty, significance, ceilings)
    write_text(tables / "shortcuts.md", shortcut_table(metrics, aspects))
    write_text(tables / "probes.md", probe_table(probes))
    write_csv(PLOTS / "comparison.csv", rows)
    for metric in ("mse", "srcc"):
        write_csv(PLOTS / f"{metric}.csv", chart_rows(rows, metric))


if __name__ == "__main__":
    run_stage(main)
