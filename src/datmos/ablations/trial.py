"""Train a strategy on the side: with other domains, or fewer clips, and nothing left on disk."""

from collections.abc import Sequence

from datmos.domains.rules import label_domains
from datmos.domains.settings import DomainParams
from datmos.heads.model_files import Models, make_models
from datmos.training.settings import StrategyParams
from datmos.training.train import Member, Study, describe, train_members


def train_trials(study: Study, name: str, strategy: StrategyParams, trials: Sequence[DomainParams]) -> list[Models]:
    """Train a strategy on the train clips of the study, every seed, with the domains of each trial.

    Args:
        study: what to learn from.
        name: of the strategy.
        strategy: its entry in params.yaml.
        trials: how domains are made: all are trained at the same time.

    Returns:
        The models of every trial.

    Raises:
        DatmosError: see `label_domains`, `train_members`.
    """
    train_clips = study.manifest[study.manifest["split"] == "train"]
    members = []
    for trial in trials:
        domains, _ = label_domains(strategy.domains, train_clips, study.store, trial)
        members += [Member(seed, domains) for seed in study.seeds]
    weights = iter(trained.weights for trained in train_members(study, name, strategy, members))
    config = describe(study, name, strategy)
    return [make_models(config, {seed: next(weights) for seed in study.seeds}) for _ in trials]
