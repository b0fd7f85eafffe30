"""Test every strategy, combination and reference against the baseline and the controls."""

from pathlib import Path

import pandas as pd

from datmos.errors import run_stage
from datmos.files import write_metrics
from datmos.params import load_params
from datmos.significance import compare_strategies


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
