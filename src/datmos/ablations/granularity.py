"""How many domains there should be: one strategy trained anew for every K (paper, arXiv 2603.16201, Fig. 5)."""

from collections.abc import Sequence

import pandas as pd

from datmos.ablations.trial import train_trials
from datmos.core.device import pick_device
from datmos.domains.settings import DomainParams
from datmos.heads.predict import predict_clips
from datmos.training.settings import StrategyParams
from datmos.training.train import Study


def predict_every_k(
    study: Study, name: str, strategy: StrategyParams, domains: DomainParams, ks: Sequence[int]
) -> pd.DataFrame:
    """Label, train and predict the eval clips with every K and every seed, all at once.

    Returns:
        What `predict_clips` returns, with ``k`` as first column; no rows without a K.

    Raises:
        DatmosError: see `train_trials`.
    """
    evaluated = list(study.manifest.loc[study.manifest["split"] == "eval", "clip_id"])
    trials = [domains.with_k(strategy.domains, k) for k in ks]
    models = train_trials(study, name, strategy, trials) if ks else []
    tables = [
        predict_clips(of_k, study.store, evaluated, pick_device()).assign(k=k)
        for k, of_k in zip(ks, models, strict=True)
    ]
    predictions = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"clip_id": [], "seed": []})
    return predictions.assign(k=predictions["k"].astype("int32") if tables else [])
