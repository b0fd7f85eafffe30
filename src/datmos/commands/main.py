"""The command `datmos`."""

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from datmos.commands.demo import add_demo
from datmos.commands.export import add_export
from datmos.commands.ratings_from import add_ratings_from
from datmos.commands.score import add_score
from datmos.core.errors import DatmosError, nearest, run_stage
from datmos.core.files import write_metrics
from datmos.params.schema import Params, load_params


def main() -> None:
    """Run `datmos ...`; a wrong setting or input ends in one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="datmos", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check before a run").add_subparsers(required=True, metavar="WHAT")
    check_params = check.add_parser("params", help="check params.yaml and print it as the stages read it")
    check_params.add_argument("file", nargs="?", type=Path, default=Path("params.yaml"))
    check_params.set_defaults(run=_check_params)
    check_data = check.add_parser(
        "data",
        help="look at the clips that params.yaml names: what is there, missing, unusable, twice",
        description="Reads lists and headers, seconds for thousands of clips. Exit status 1 if a run would stop.",
    )
    check_data.set_defaults(run=_check_data)
    apply = commands.add_parser(
        "apply",
        help="merge a preset into params.yaml",
        description="Set what a preset names in params.yaml, and leave the rest, comments too, as it is. "
        "`git diff params.yaml` shows it, `git checkout params.yaml` undoes it.",
    )
    apply.add_argument("preset", type=Path, help="for example presets/all_strategies.yaml")
    apply.set_defaults(run=_apply)
    add_ratings_from(commands)
    _add_select(commands)
    add_score(commands)
    add_export(commands)
    add_demo(commands)
    arguments = parser.parse_args()
    run_stage(lambda: arguments.run(arguments))


def _check_params(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.file)
    print(yaml.safe_dump(params.model_dump(mode="json", by_alias=True), sort_keys=False), end="")


def _check_data(arguments: argparse.Namespace) -> None:
    from datmos.datasets.preflight import check_data, preflight_text

    params = load_params()
    if params.data.kind == "simulated" and not params.data.root.is_dir():
        raise DatmosError(f"{params.data.root} is not there yet: `dvc repro corpus` renders the simulated study")
    found = check_data(params)
    usable = int((found.clips["problem"] == "").sum())
    print(preflight_text(found, params, _embedding_time(params, usable)))
    if found.refused:
        sys.exit(1)


def _embedding_time(params: Params, clips: int) -> str:
    from datmos.embedding.timing import has_weights, seconds_a_clip

    if not clips:
        return "there is nothing to embed"
    if not has_weights(params.encoder):
        return (
            "how long that takes can't be told: the encoder's weights are not here (docs/embeddings.md has speeds)"
        )
    minutes = clips * seconds_a_clip(params) / 60
    return (
        f"that takes about {minutes:.1f} minutes on this machine, decoding apart (the encoder was tried on noise)"
    )


def _apply(arguments: argparse.Namespace) -> None:
    from datmos.commands.presets import apply_preset

    print("\n".join(apply_preset(arguments.preset, Path("params.yaml"))) or "params.yaml has all of it already")


def _add_select(commands: Any) -> None:
    select = commands.add_parser(
        "select",
        help="choose a strategy's lambda or K without the eval ratings",
        description="Train a strategy with several lambdas and Ks and choose the one with the least squared error "
        "on natural clips. Run it where params.yaml is, after `dvc repro embed`.",
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
        choices=["training_domain", "leave_one_source_out", "oracle"],
        default="training_domain",
        help="score validation clips of the same sources (default) | every source by models that never met it | "
        "the eval clips: an upper bound, never a basis for a claim",
    )
    select.set_defaults(run=_select)


def _select(arguments: argparse.Namespace) -> None:
    # here: `datmos check` needs neither PyTorch nor scikit-learn
    from datmos.core.store import EmbeddingStore
    from datmos.trials.selection import (
        WARNING,
        adoption,
        best_of,
        list_candidates,
        score_candidates,
        selection_table,
    )

    params, name, criterion = load_params(), arguments.strategy, arguments.criterion
    if name not in params.strategies:
        known = ", ".join(params.strategies)
        raise DatmosError(f"unknown strategy '{name}'{nearest(name, params.strategies)} Expected one of: {known}")
    candidates = list_candidates(params, name, arguments.lambdas, arguments.ks)
    manifest, embeddings = Path("data/manifest.parquet"), Path("data/embeddings")
    for path in (manifest, embeddings):
        if not path.exists():
            raise DatmosError(f"{path}: not found; run `dvc repro embed` first")
    result = Path(f"metrics/selection/{name}_{criterion}.json")
    scores: list[dict[str, Any]] = []
    described = {
        "strategy": name,
        "criterion": WARNING if criterion == "oracle" else criterion,
        "seeds": params.seeds,
    }
    for score in score_candidates(
        params, name, candidates, criterion, pd.read_parquet(manifest), EmbeddingStore(embeddings)
    ):
        scores.append(score)
        write_metrics(result, described | {"candidates": scores})  # after each: a killed run has what it finished
    print(f"\n{described['criterion']}\n\n{selection_table(scores, params.data.aspects)}\n")
    print("* least squared error; ~ within one standard error of it over seeds. All figures: " + str(result))
    print(f"To adopt it: {adoption(params, name, scores[best_of(scores)])}")


if __name__ == "__main__":
    main()
