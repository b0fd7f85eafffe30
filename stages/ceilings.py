"""Ask how well any predictor could score against these noisy ratings."""

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.core.places import MANIFEST, METRICS
from datmos.evaluation.ceilings import noise_ceilings
from datmos.params.schema import load_params


def main() -> None:
    """Write metrics/ceilings.json."""
    manifest = pd.read_parquet(MANIFEST)
    write_metrics(METRICS / "ceilings.json", noise_ceilings(manifest, load_params().data.aspects))


if __name__ == "__main__":
    run_stage(main)
