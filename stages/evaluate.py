"""Score all predictions: agreement, shortcuts, uncertainty, significance, probes of h, and the K ablation."""

import pandas as pd

from datmos.comparison.granularity import score_granularity
from datmos.comparison.parallel import in_parallel
from datmos.comparison.results import write_results
from datmos.comparison.rivals import find_rivals
from datmos.core.clips import natural_clips
from datmos.core.errors import run_stage
from datmos.core.files import remove_all_but, write_json, write_metrics
from datmos.core.paths import DETAILS, GRANULARITY, MANIFEST, METRICS, PREDICTIONS, REFERENCES, H
from datmos.evaluation.metrics import system_scores, validation_error
from datmos.evaluation.probes import probe_seeds
from datmos.params.schema import load_params


def main() -> None:
    """Write metrics/scores.json, and the numbers behind it to data/details/."""
    params = load_params()
    rivals, aspects, manifest = find_rivals(params), params.data.aspects, pd.read_parquet(MANIFEST)
    remove_all_but(PREDICTIONS, rivals.all)
    remove_all_but(H, rivals.trained)
    remove_all_but(GRANULARITY, params.granularity.strategies)
    places = {name: REFERENCES if name in params.evaluate.references else PREDICTIONS for name in rivals.all}
    predictions = {name: pd.read_parquet(place / f"{name}.parquet") for name, place in places.items()}
    metrics = write_results(DETAILS, predictions, manifest, aspects, rivals)
    validation = {name: validation_error(rows, manifest, aspects) for name, rows in predictions.items()}
    natural = natural_clips(manifest)
    probed = {name: (H / f"{name}.npz", natural, aspects) for name in rivals.trained}
    ablations = {name: pd.read_parquet(GRANULARITY / f"{name}.parquet") for name in params.granularity.strategies}
    granularity = {name: score_granularity(rows, manifest, aspects) for name, rows in ablations.items()}
    write_metrics(DETAILS / "validation.json", validation)
    write_metrics(DETAILS / "probes.json", in_parallel(probe_seeds, probed))
    write_metrics(DETAILS / "granularity.json", granularity)
    write_json(METRICS / "scores.json", system_scores(metrics, aspects))


if __name__ == "__main__":
    run_stage(main)
