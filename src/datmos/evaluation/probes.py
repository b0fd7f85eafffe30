"""What h gives away: probes that read the source and the scores from it (paper, arXiv 2603.16201, linear probing).

The adversary of a training run says what *it* could not find; a probe is fitted afterwards, to the h that came out
of it. A domain that a linear probe can't read but a non-linear one can is hidden, not gone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from datmos.core.predictions import read_h
from datmos.core.seeding import derive_seed
from datmos.evaluation.metrics import summarise_seeds

FOLDS = 5
PROBED = 3  # seeds: 24 models are fitted to the h of each, five times
# kind -> (classifier, regressor), with scikit-learn's defaults
PROBES = {
    "linear": (LogisticRegression(max_iter=5000), RidgeCV(np.logspace(-2, 4, 13))),
    "nonlinear": (SVC(), SVR()),  # radial basis functions
}


def probe(h: np.ndarray, clips: pd.DataFrame, aspects: Sequence[str]) -> dict[str, float]:
    """Read source and scores from the h of one head, cross-validated.

    Five folds (fewer if a source has fewer clips) hold the sources in equal shares and are the same for every h of
    the same clips, so that strategies are paired. A source of one clip is left out.

    Args:
        h: shape (N, W).
        clips: N rows with source and <aspect>, in the order of h.
        aspects: to probe.

    Returns:
        ``domain_accuracy_<probe>``, the share of clips whose source is read right, and ``srcc_<aspect>_<probe>``,
        Spearman's correlation of scores read with actual ones; the probes are those of `PROBES`. NaN for fewer
        than two sources, or a constant.
    """
    sizes = clips["source"].map(clips["source"].value_counts())
    h, clips, sizes = h[(sizes > 1).to_numpy()], clips[sizes > 1], sizes[sizes > 1]
    sources = clips["source"].to_numpy()
    several = len(set(sources)) > 1
    found = dict.fromkeys([f"domain_accuracy_{kind}" for kind in PROBES], float("nan"))
    found |= dict.fromkeys([f"srcc_{aspect}_{kind}" for aspect in aspects for kind in PROBES], float("nan"))
    if not len(clips):
        return found
    folds = StratifiedKFold(min(FOLDS, int(sizes.min())), shuffle=True, random_state=derive_seed("probe") % 2**32)
    splits = list(folds.split(h, sources))
    with threadpool_limits(1):  # threads add up in any order: not the same bits every time
        for kind, (classifier, regressor) in PROBES.items():
            if several:
                read = cross_val_predict(make_pipeline(StandardScaler(), classifier), h, sources, cv=splits)
                found[f"domain_accuracy_{kind}"] = float(np.mean(read == sources))
            for aspect in aspects:
                actual = clips[aspect].to_numpy(np.float64)
                read = cross_val_predict(make_pipeline(StandardScaler(), regressor), h, actual, cv=splits)
                if np.ptp(read) > 0 and np.ptp(actual) > 0:
                    found[f"srcc_{aspect}_{kind}"] = float(stats.spearmanr(read, actual).statistic)
    return found


def probe_seeds(file: Path, clips: pd.DataFrame, aspects: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`probe` the h of the first `PROBED` seeds in a file of `datmos.core.predictions.write_h`.

    Returns ``{metric: {"mean", "std", "seeds"}}``, the seeds ascending, and ``chance``: the largest source's share.
    """
    found = [probe(h, clips, aspects) for h in read_h(file, PROBED).values()]
    result: dict[str, dict[str, Any]] = {}
    for metric in found[0]:
        summary = summarise_seeds([one[metric] for one in found], float("nan"))
        result[metric] = {key: summary[key] for key in ("mean", "std", "seeds")}  # h of seeds have no ensemble
    return result | {"chance": {"mean": float(clips["source"].value_counts(normalize=True).max())}}
