"""Train a strategy on the side: other settings, or fewer clips, and nothing left on disk."""

from collections.abc import Sequence

import pandas as pd

from datmos.core.store import EmbeddingStore
from datmos.domains.rules import label_domains
from datmos.heads.saved import Models, make_models
from datmos.params.schema import NUMBERED, Params
from datmos.training.train import Member, describe, train_members


def with_k(params: Params, name: str, k: int) -> Params:
    """Return params in which the domains of the strategy ``name``, if they are `NUMBERED`, are ``k``."""
    rule = NUMBERED[params.strategies[name].domains]
    return params.model_copy(update={rule: getattr(params, rule).model_copy(update={"k": k})})


def train_trials(
    trials: Sequence[Params], name: str, manifest: pd.DataFrame, store: EmbeddingStore
) -> list[Models]:
    """Train the strategy ``name`` on the train clips of ``manifest``, every seed, with the domains of each trial.

    Args:
        trials: params that differ in nothing but how domains are made: all are trained at the same time.
        name: of the strategy.
        manifest: all clips.
        store: their embeddings.

    Returns:
        The models of every trial.

    Raises:
        DatmosError: see `label_domains`, `train_members`.
    """
    params = trials[0]
    train_clips = manifest[manifest["split"] == "train"]
    members = []
    for trial in trials:
        domains, _ = label_domains(params.strategies[name].domains, train_clips, store, trial)
        members += [Member(seed, domains) for seed in params.seeds]
    weights = iter(trained.weights for trained in train_members(params, name, manifest, store, members))
    config = describe(params, name, store)
    return [make_models(config, {seed: next(weights) for seed in params.seeds}) for _ in trials]
