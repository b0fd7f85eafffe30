"""`datmos select`: a strategy's lambda or K, chosen without the eval ratings."""

import argparse
from typing import Any

from datmos.core.errors import DatmosError, nearest
from datmos.core.paths import EMBEDDINGS, MANIFEST, METRICS


def add_select(commands: Any) -> None:
    """Add the command to the parser's subparsers."""
    select = commands.add_parser(
        "select",
        help="choose a strategy's lambda, K and aspects without the eval ratings",
        description="Train a strategy without an adversary and with several lambdas and Ks, and see what each "
        "costs on sources that were left out of training: an adversary is kept for the aspects that it costs "
        "little. Run it where params.yaml is, after `dvc repro embed`.",
    )
    select.add_argument("strategy", help="of params.yaml")
    select.add_argument(
        "--lambda", dest="lambdas", type=float, nargs="+", metavar="L", help="default: the strategy's"
    )
    select.add_argument(
        "--k", dest="ks", type=int, nargs="+", metavar="K", help="numbers of domains; default: as set"
    )
    select.add_argument(
        "--criterion",
        choices=["leave_one_source_out", "training_domain", "oracle"],
        default="leave_one_source_out",
        help="score every source by models that never met it (default) | validation clips of the same sources | "
        "the eval clips: an upper bound, never a basis for a claim",
    )
    select.set_defaults(run=_select)


def _select(arguments: argparse.Namespace) -> None:
    # here: other commands need none of it
    import pandas as pd

    from datmos.commands.selection import (
        MARGIN,
        WARNING,
        adoption,
        choose,
        list_candidates,
        score_candidates,
        selection_table,
        spared,
    )
    from datmos.core.files import write_metrics
    from datmos.core.store import EmbeddingStore
    from datmos.params.schema import load_params
    from datmos.training.train import Study

    params, name, criterion = load_params(), arguments.strategy, arguments.criterion
    if name not in params.strategies:
        known = ", ".join(params.strategies)
        raise DatmosError(f"unknown strategy '{name}'{nearest(name, params.strategies)} Expected one of: {known}")
    strategy = params.strategies[name]
    candidates = list_candidates(name, strategy, arguments.lambdas, arguments.ks)
    for path in (MANIFEST, EMBEDDINGS):
        if not path.exists():
            raise DatmosError(f"{path}: not found; run `dvc repro embed` first")
    result = METRICS / f"selection/{name}_{criterion}.json"
    scores: list[dict[str, Any]] = []
    described = {
        "strategy": name,
        "criterion": WARNING if criterion == "oracle" else criterion,
        "seeds": params.seeds,
    }
    manifest, store, data = pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS), params.data
    study = Study(manifest, store, data.aspects, data.scale, params.train, params.seeds)
    for score in score_candidates(study, name, strategy, params.domains, candidates, criterion):
        scores.append(score)
        write_metrics(result, described | {"candidates": scores})  # after each: a killed run has what it finished
    chosen = choose(scores)
    best = None if chosen is None else scores[chosen]
    spare = [] if best is None else spared(best, scores[0])
    print(f"\n{described['criterion']}\n\n{selection_table(scores)}\n")
    print(f"SRCC of single clips; below lambda 0: the difference to it. spare: costs more than {MARGIN}.")
    print(f"* spares the fewest aspects, the largest lambda of equals. All figures: {result}")
    if strategy.head != "statistics" and spare:
        print(f"Head {strategy.head} can't spare aspects (head statistics can): {', '.join(spare)} will lose.")
        spare = []
    print(f"To adopt it: {adoption(name, strategy.domains, best, spare)}")
