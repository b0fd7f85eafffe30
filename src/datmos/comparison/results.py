"""All that is known of a set of predictors on the same clips: scores, uncertainty, significance, ceilings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from datmos.comparison.parallel import in_parallel
from datmos.comparison.rivals import Rivals
from datmos.comparison.significance import compare_strategies
from datmos.core.files import write_csv, write_metrics
from datmos.evaluation.ceilings import noise_ceilings
from datmos.evaluation.metrics import evaluate_predictions
from datmos.evaluation.uncertainty import evaluate_uncertainty


def write_results(
    folder: Path,
    predictions: Mapping[str, pd.DataFrame],
    manifest: pd.DataFrame,
    aspects: Sequence[str],
    rivals: Rivals,
) -> dict[str, Any]:
    """Evaluate predictions and write what is found: strategies, uncertainty, significance, ceilings, calibration.

    Args:
        folder: to write ``<these>.json`` to, and calibration.csv: the calibration curve of each strategy.
        predictions: of all of ``rivals``, by name, as `datmos.core.predictions` lays them out.
        manifest: the train clips, and the clips that are evaluated.
        aspects: to evaluate.
        rivals: who is compared with whom.

    Returns:
        ``{name: what evaluate_predictions returned}``.

    Raises:
        DatmosError: see `evaluate_predictions`.
    """
    predictions = {name: predictions[name] for name in rivals.all}  # in the order of the tables
    metrics = in_parallel(
        evaluate_predictions, {name: (rows, manifest, aspects) for name, rows in predictions.items()}
    )
    uncertainty = {name: evaluate_uncertainty(predictions[name], manifest, aspects) for name in rivals.trained}
    curves = [curve.assign(strategy=name) for name, (_, curve) in uncertainty.items()]
    significance = compare_strategies(predictions, manifest, aspects, rivals.against, rivals.of)
    write_metrics(folder / "strategies.json", metrics)
    write_metrics(folder / "uncertainty.json", {name: found for name, (found, _) in uncertainty.items()})
    write_metrics(folder / "significance.json", significance)
    write_metrics(folder / "ceilings.json", noise_ceilings(manifest, aspects))
    write_csv(folder / "calibration.csv", pd.concat(curves, ignore_index=True))
    return metrics
