"""Test every strategy, combination and reference against the baseline and the controls."""

from pathlib import Path

import pandas as pd

from datmos.comparison.significance import compare_strategies
from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.params.schema import load_params


def main() -> None:
    """Write metrics/significance.json."""
    params = load_params()
    aspects = params.data.aspects
    predictions = {name: pd.read_parquet(f"data/predictions/{name}.parquet") for name in params.compared}
    manifest = pd.read_parquet("data/manifest.parquet")
    result = compare_strategies(predictions, manifest, aspects, params.compared_against, params.rivals_of)
    write_metrics(Path("metrics/significance.json"), result)


if __name__ == "__main__":
    run_stage(main)
