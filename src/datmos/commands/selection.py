"""Choosing a strategy's lambda and K by a stated rule, and without looking at what it will be judged by.

Gulrajani & Lopez-Paz, "In Search of Lost Domain Generalization" (arXiv 2007.01434): results of methods against
domain shift mean nothing without the rule that chose their settings, and a rule that sees the target is none.
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
from datmos.heads.predict import predict_clips
from datmos.training.settings import StrategyParams
from datmos.training.strategy import Study

Folds = Iterator[tuple[pd.DataFrame, pd.DataFrame]]  # clips to learn from (train and valid), clips to be scored on


def training_domain(clips: pd.DataFrame) -> Folds:
    """Score the validation clips: new clips of the same sources. Yields one fold."""
    yield clips, clips[clips["split"] == "valid"]


def leave_one_source_out(clips: pd.DataFrame) -> Folds:
    """Score every source by models that never met it: neither to learn from nor to choose the epoch.

    Yields a fold a source, alphabetically.
    """
    natural = natural_clips(clips)
    for source in sorted(natural["source"].unique()):
        yield natural[natural["source"] != source], natural[natural["source"] == source]


def oracle(clips: pd.DataFrame) -> Folds:
    """Score the eval clips. It reads the ratings that results are reported on: an upper bound, never a claim."""
    yield clips, clips[clips["split"] == "eval"]


CRITERIA: dict[str, Callable[[pd.DataFrame], Folds]] = {
    "training_domain": training_domain,
    "leave_one_source_out": leave_one_source_out,
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
    if bad := [value for value in lambdas or [] if not 0 <= value < float("inf")]:
        raise DatmosError(f"--lambda: 0 or more is expected, got {bad[0]}")
    if bad_k := [k for k in ks or [] if k < 2]:
        raise DatmosError(f"--k: 2 or more is expected, got {bad_k[0]}")
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
    """Train a strategy with every candidate's settings and score it, one after the other.

    Args:
        study: what to learn from.
        name: of the strategy.
        strategy: its entry in params.yaml; what a candidate does not name stays as it is.
        domains: likewise.
        candidates: what `list_candidates` returned.
        criterion: of `CRITERIA`. All but the oracle are given the natural clips alone, so they can't read an eval
            rating.

    Yields:
        ``{"lambda", "k", "aspects": {aspect: {"mse", "seeds"}}, "mse", "std", "seeds"}``: the squared error of
        single clips in squared rating points, the mean over folds, of each seed and over seeds; without an aspect,
        the mean over aspects. std is over seeds (ddof 1).

    Raises:
        DatmosError: see `train_trials`; or there is only one source to leave out.
    """
    visible = study.manifest if criterion == "oracle" else natural_clips(study.manifest)
    folds = list(CRITERIA[criterion](visible))
    if criterion == "leave_one_source_out" and len(folds) < 2:
        raise DatmosError("leave_one_source_out needs two sources or more; use --criterion training_domain")
    for candidate in candidates:
        own = strategy.model_copy(update={"lambda_": candidate.lambda_})
        labelled = domains if candidate.k is None else domains.with_k(strategy.domains, candidate.k)
        by_fold = [_errors(study._replace(manifest=clips), name, own, labelled, scored) for clips, scored in folds]
        mse = np.mean(by_fold, axis=0)  # (R, A)
        of_seeds = mse.mean(axis=1)
        yield {
            "lambda": own.model_dump(by_alias=True)["lambda"],
            "k": candidate.k,
            "aspects": {
                aspect: {"mse": float(of_aspect.mean()), "seeds": of_aspect.tolist()}
                for aspect, of_aspect in zip(study.aspects, mse.T, strict=True)
            },
            "mse": float(of_seeds.mean()),
            "std": float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else float("nan"),
            "seeds": of_seeds.tolist(),
        }


def _errors(
    study: Study, name: str, strategy: StrategyParams, domains: DomainParams, scored: pd.DataFrame
) -> np.ndarray:
    """Squared error of the scored clips by seed and aspect, (R, A)."""
    (models,) = train_trials(study, name, strategy, [domains])
    predictions, aspects = predict_clips(models, study.store, list(scored["clip_id"]), pick_device()), study.aspects
    actual = scored[aspects].to_numpy(np.float64)
    return np.stack(
        [
            np.square(own[aspects].to_numpy(np.float64) - actual).mean(axis=0)
            for _, own in predictions.groupby("seed", sort=True)
        ]
    )


def best_of(scores: Sequence[dict[str, Any]]) -> int:
    """Return which of the candidates scored has the least squared error; the first of equals."""
    return int(np.argmin([one["mse"] for one in scores]))


def within_one_error(scores: Sequence[dict[str, Any]]) -> list[bool]:
    """Tell which candidates can't be told from the best: their paired difference is within one standard error.

    The seeds are the same for all candidates. With one seed, only the best itself is.
    """
    best = np.array(scores[best_of(scores)]["seeds"])
    alike = []
    for one in scores:
        difference = np.array(one["seeds"]) - best
        error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
        alike.append(bool(difference.mean() <= error))
    return alike


def selection_table(scores: Sequence[dict[str, Any]], aspects: Sequence[str]) -> str:
    """Lay candidates out as text; * is the best, ~ what can't be told from it."""
    marks = ["~" if alike else "" for alike in within_one_error(scores)]
    marks[best_of(scores)] = "*"
    table = pd.DataFrame(
        {
            "": marks,
            "lambda": [_written(one["lambda"]) for one in scores],
            "k": ["" if one["k"] is None else str(one["k"]) for one in scores],
            "mse": [f"{one['mse']:.3f}" for one in scores],
            "std": ["" if np.isnan(one["std"]) else f"{one['std']:.3f}" for one in scores],
            **{aspect: [f"{one['aspects'][aspect]['mse']:.3f}" for one in scores] for aspect in aspects},
        }
    )
    return table.to_string(index=False)


def adoption(name: str, rule: str, chosen: dict[str, Any]) -> str:
    """Return the command that adopts a candidate of a strategy whose domains are made by ``rule``."""
    setting = f"strategies.{name}.lambda={_written(chosen['lambda'])}"
    settings = ["-S " + shlex.quote(setting)]
    if chosen["k"] is not None:
        settings.append(f"-S {RULES[rule].numbered_by}.k={chosen['k']}")
    return "dvc exp run " + " ".join(settings)


def _written(lambda_: float | list[float]) -> str:
    """A lambda, or a list of them, as `-S` takes it."""
    return f"[{','.join(map(_written, lambda_))}]" if isinstance(lambda_, list) else f"{lambda_:g}"
