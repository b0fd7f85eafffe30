"""Test every strategy and reference against the baseline and the controls."""

import pandas as pd

from datmos.comparison.rivals import find_rivals
from datmos.comparison.significance import compare_strategies
from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.core.places import MANIFEST, METRICS, PREDICTIONS
from datmos.params.schema import load_params


def main() -> None:
    """Write metrics/significance.json."""
    params = load_params()
    rivals = find_rivals(params)
    aspects = params.data.aspects
    predictions = {name: pd.read_parquet(PREDICTIONS / f"{name}.parquet") for name in rivals.all}
    manifest = pd.read_parquet(MANIFEST)
    result = compare_strategies(predictions, manifest, aspects, rivals.against, rivals.of)
    write_metrics(METRICS / "significance.json", result)


if __name__ == "__main__":
    run_stage(main)
