"""Choosing a strategy's lambda, K and aspects by a stated rule, without looking at what it will be judged by.

Gulrajani & Lopez-Paz, "In Search of Lost Domain Generalization" (arXiv 2007.01434): results of methods against
domain shift mean nothing without the rule that chose their settings, and a rule that sees the target is none.

The rule: an adversary is kept for an aspect if it costs little on sources that the models never met. It is not
asked to help there: natural sources reward the shortcut (docs/results.md says how the rule was found).
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from datmos.ablations.trial import train_trials
from datmos.core.clips import natural_clips
from datmos.core.device import pick_device
from datmos.core.errors import DatmosError
from datmos.domains.settings import RULES, DomainParams
from datmos.evaluation.agreement import spearman
from datmos.heads.predict import predict_clips
from datmos.training.settings import StrategyParams
from datmos.training.train import Study

MARGIN = 0.025  # of SRCC: what an adversary may cost

Folds = Iterator[tuple[pd.DataFrame, pd.DataFrame]]  # clips to learn from (train and valid), clips to be scored on


def leave_one_source_out(clips: pd.DataFrame) -> Folds:
    """Score every source by models that never met it: neither to learn from nor to choose the epoch.

    Yields a fold a source, alphabetically.
    """
    natural = natural_clips(clips)
    for source in sorted(natural["source"].unique()):
        yield natural[natural["source"] != source], natural[natural["source"] == source]


def training_domain(clips: pd.DataFrame) -> Folds:
    """Score the validation clips: new clips of the same sources. Yields one fold."""
    yield clips, clips[clips["split"] == "valid"]


def oracle(clips: pd.DataFrame) -> Folds:
    """Score the eval clips. It reads the ratings that results are reported on: an upper bound, never a claim."""
    yield clips, clips[clips["split"] == "eval"]


CRITERIA: dict[str, Callable[[pd.DataFrame], Folds]] = {
    "leave_one_source_out": leave_one_source_out,
    "training_domain": training_domain,
    "oracle": oracle,
}
WARNING = "oracle: reads the eval ratings; an upper bound, never a basis for a claim"


class Candidate(NamedTuple):
    """Settings of a strategy that could be chosen."""

    lambda_: tuple[float, ...]  # of each adversary
    k: int | None  # None: the strategy's domains have no number to choose


def list_candidates(
    name: str, strategy: StrategyParams, lambdas: Sequence[float] | None, ks: Sequence[int] | None
) -> list[Candidate]:
    """Combine every lambda with every K; None stands for what the params say.

    Raises:
        DatmosError: K is given, but the domains of the strategy have none; lambda is given, but the strategy has
            several; or a value is out of range.
    """
    if lambdas and len(strategy.lambda_) > 1:
        raise DatmosError(
            f"--lambda: '{name}' has {len(strategy.lambda_)} adversaries; set strategies.{name}.lambda instead"
        )
    if ks and RULES[strategy.domains].numbered_by is None:
        raise DatmosError(
            f"--k: the domains of '{name}' are '{strategy.domains}', whose number is given; leave --k out"
        )
    if bad := [value for value in lambdas or [] if not 0 < value < float("inf")]:
        raise DatmosError(f"--lambda: more than 0 is expected, got {bad[0]:g} (0 is what all are compared with)")
    if bad_k := [k for k in ks or [] if k < 2]:
        raise DatmosError(f"--k: 2 or more is expected, got {bad_k[0]}")
    if not lambdas and not strategy.adversarial:
        raise DatmosError(f"'{name}' has no adversary (lambda 0): say with --lambda which to try")
    numbers: list[int | None] = [*ks] if ks else [None]
    values = [(value,) for value in lambdas] if lambdas else [strategy.lambda_]
    return [Candidate(lambda_, k) for lambda_, k in product(values, numbers)]


def score_candidates(
    study: Study,
    name: str,
    strategy: StrategyParams,
    domains: DomainParams,
    candidates: Sequence[Candidate],
    criterion: str,
) -> Iterator[dict[str, Any]]:
    """Train a strategy without an adversary, then with every candidate's, and score it, one after the other.

    Args:
        study: what to learn from.
        name: of the strategy.
        strategy: its entry in params.yaml; what a candidate does not name stays as it is.
        domains: likewise.
        candidates: what `list_candidates` returned.
        criterion: of `CRITERIA`. All but the oracle are given the natural clips alone, so they can't read an eval
            rating.

    Yields:
        ``{"lambda", "k", "aspects": {aspect: {"srcc", "seeds"}}}``, first of lambda 0: Spearman's correlation of
        predictions with mean ratings over the single clips of all folds together; its mean, and that of each seed.

    Raises:
        DatmosError: see `train_trials`; or there is only one source to leave out.
    """
    visible = study.manifest if criterion == "oracle" else natural_clips(study.manifest)
    folds = list(CRITERIA[criterion](visible))
    if criterion == "leave_one_source_out" and len(folds) < 2:
        raise DatmosError("leave_one_source_out needs two sources or more; use --criterion training_domain")
    without = Candidate(tuple(0.0 for _ in strategy.lambda_), None)
    for candidate in [without, *candidates]:
        own = strategy.model_copy(update={"lambda_": candidate.lambda_})
        labelled = domains if candidate.k is None else domains.with_k(strategy.domains, candidate.k)
        parts = [_predict(study._replace(manifest=clips), name, own, labelled, scored) for clips, scored in folds]
        seeds = _srcc_of_seeds(pd.concat(parts), study.manifest, study.aspects)
        yield {
            "lambda": own.model_dump(by_alias=True)["lambda"],
            "k": candidate.k,
            "aspects": {aspect: {"srcc": float(np.mean(found)), "seeds": found} for aspect, found in seeds.items()},
        }


def _predict(
    study: Study, name: str, strategy: StrategyParams, domains: DomainParams, scored: pd.DataFrame
) -> pd.DataFrame:
    (models,) = train_trials(study, name, strategy, [domains])
    return predict_clips(models, study.store, list(scored["clip_id"]), pick_device())


def _srcc_of_seeds(
    predictions: pd.DataFrame, manifest: pd.DataFrame, aspects: Sequence[str]
) -> dict[str, list[float]]:
    """SRCC by aspect, of every seed in ascending order."""
    actual = manifest.set_index("clip_id")
    return {
        aspect: [
            float(
                spearman(own[aspect].to_numpy(np.float64), actual.loc[own["clip_id"], aspect].to_numpy(np.float64))
            )
            for _, own in predictions.groupby("seed", sort=True)
        ]
        for aspect in aspects
    }


def costs(score: dict[str, Any], without: dict[str, Any]) -> dict[str, float]:
    """What a candidate does to the SRCC of each aspect, against lambda 0: below 0 it costs."""
    return {aspect: own["srcc"] - without["aspects"][aspect]["srcc"] for aspect, own in score["aspects"].items()}


def spared(score: dict[str, Any], without: dict[str, Any]) -> list[str]:
    """Aspects that the adversary costs more than `MARGIN`, or that can't be told: it should leave them alone."""
    return [aspect for aspect, cost in costs(score, without).items() if not cost >= -MARGIN]


def choose(scores: Sequence[dict[str, Any]]) -> int | None:
    """Return which of the scores, but for the first, spares the fewest aspects; the largest lambda of equals.

    None if every candidate would have to spare all aspects. The first score is that of lambda 0.
    """
    without, *others = scores
    best = min(others, key=lambda one: (len(spared(one, without)), -float(np.sum(one["lambda"]))))
    return None if len(spared(best, without)) == len(best["aspects"]) else others.index(best) + 1


def selection_table(scores: Sequence[dict[str, Any]]) -> str:
    """Lay the scores out as text: SRCC without the adversary, below it differences; * is what `choose` returned."""
    chosen, without = choose(scores), scores[0]
    rows = []
    for number, one in enumerate(scores):
        known = costs(one, without) if number else {a: own["srcc"] for a, own in one["aspects"].items()}
        rows.append(
            {
                "": "*" if number == chosen else "",
                "lambda": _written(one["lambda"]),
                "k": "" if one["k"] is None else str(one["k"]),
                **{aspect: f"{value:+.3f}" if number else f"{value:.3f}" for aspect, value in known.items()},
                "spare": ", ".join(spared(one, without)) if number else "",
            }
        )
    return pd.DataFrame(rows).to_string(index=False)


def adoption(name: str, rule: str, chosen: dict[str, Any] | None, spare: Sequence[str] = ()) -> str:
    """Return the command that adopts a candidate of a strategy whose domains are made by ``rule``.

    ``spare``: aspects that its adversaries are to leave alone. None for a candidate: no adversary.
    """
    settings = [f"strategies.{name}.lambda={_written(chosen['lambda']) if chosen else 0}"]
    if chosen and chosen["k"] is not None:
        settings.append(f"{RULES[rule].numbered_by}.k={chosen['k']}")
    if chosen and spare:
        settings.append(f"++strategies.{name}.spare=[{','.join(spare)}]")
    return "dvc exp run " + " ".join("-S " + shlex.quote(setting) for setting in settings)


def _written(lambda_: float | list[float]) -> str:
    """A lambda, or a list of them, as `-S` takes it."""
    return f"[{','.join(map(_written, lambda_))}]" if isinstance(lambda_, list) else f"{lambda_:g}"
