"""What a run found, in sentences written from the numbers in data/details/; each number says where it is from.

A sentence claims a difference only if `datmos.comparison.significance` calls it separable, and says so if it
doesn't. Nothing here computes a statistic.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from datmos.comparison.summaries import COMPARED
from datmos.core.errors import DatmosError
from datmos.core.files import read_json

CLOSE = 0.05  # coverage further below nominal than this is worth a word


class Numbers:
    """The numbers of data/details/, each with its address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Any] = {}

    def get(self, file: str, *keys: str) -> Any:
        """Return what ``data/details/<file>.json`` holds at ``keys``; None for NaN.

        Raises:
            DatmosError: there is no such entry.
        """
        if file not in self._files:
            self._files[file] = read_json(self._folder / f"{file}.json")
        found = self._files[file]
        for key in keys:
            if key not in found:
                raise DatmosError(f"data/details/{file}.json has no {'.'.join(keys)}; run `dvc repro`")
            found = found[key]
        return found

    def show(self, form: str, file: str, *keys: str) -> Markup:
        """Return a number, printed by a format such as ".2f", as an HTML <data> element with value and address."""
        value = self.get(file, *keys)
        text = "n/a" if value is None else format(value, form)
        address = f"data/details/{file}.json: {'.'.join(keys)}"
        return Markup('<data value="{}" title="{}">{}</data>').format(value, address, text)


def findings(
    numbers: Numbers, aspects: Sequence[str], strategies: Sequence[str], references: Sequence[str], baseline: str
) -> dict[str, list[Markup]]:
    """Write the findings of a run.

    Args:
        numbers: of the run.
        aspects: to write about.
        strategies: their names.
        references: their names.
        baseline: a strategy.

    Returns:
        ``{heading: sentences}``, HTML.

    Raises:
        DatmosError: data/details/ lacks something.
    """
    return {
        "Which predictor is best": list(_best(numbers, aspects)),
        "What each strategy changes": list(_differences(numbers, aspects, strategies, baseline)),
        "Against plain references": list(_references(numbers, aspects, references, baseline)),
        "Shortcuts": list(_shortcuts(numbers, aspects, strategies, baseline)),
        "What h gives away": list(_probes(numbers, strategies, baseline)),
        "Uncertainty": list(_uncertainty(numbers, aspects, strategies)),
    }


def _best(numbers: Numbers, aspects: Sequence[str]) -> Iterator[Markup]:
    for aspect in aspects:
        for metric in COMPARED:
            best = numbers.get("significance", "best", aspect, metric, "strategy")
            if best is None:
                continue
            score = numbers.show(".3g", "strategies", best, aspect, "system", metric, "mean")
            sentence = Markup("{} {}: {} is best with {}").format(aspect, metric.upper(), best, score)
            if numbers.get("significance", "best", aspect, metric, "p_holm") is not None:
                separable = numbers.get("significance", "best", aspect, metric, "separable")
                p = numbers.show(".2g", "significance", "best", aspect, metric, "p_holm")
                verdict = "separable from all others" if separable else "not separable from all others"
                sentence += Markup(", {} (p = {})").format(verdict, p)
            ceiling = numbers.show(".3g", "ceilings", aspect, "system", metric)
            yield sentence + Markup("; noise ceiling {}.").format(ceiling)


def _differences(
    numbers: Numbers, aspects: Sequence[str], strategies: Sequence[str], baseline: str
) -> Iterator[Markup]:
    for strategy in strategies:
        for other in numbers.get("significance", "against"):
            if strategy not in numbers.get("significance", "against", other, aspects[0]):
                continue  # itself, or of another backbone
            separable = [
                (aspect, metric)
                for aspect in aspects
                for metric in COMPARED
                if numbers.get("significance", "against", other, aspect, strategy, metric, "separable")
            ]
            yield from (_difference(numbers, aspect, metric, strategy, other) for aspect, metric in separable)
            if not separable:
                yield _nothing(numbers, aspects, strategy, other)


def _nothing(numbers: Numbers, aspects: Sequence[str], strategy: str, other: str) -> Markup:
    shown = [
        Markup("{} ({})").format(
            numbers.show(".2f", "significance", "against", other, aspect, strategy, "mse", "smallest_detectable"),
            aspect,
        )
        for aspect in aspects
    ]
    return Markup(
        "{} is not separable from {} in any aspect, neither by MSE nor by SRCC. This evaluation set would show MSE "
        "differences from {} on."
    ).format(strategy, other, Markup(", ").join(shown))


def _difference(numbers: Numbers, aspect: str, metric: str, strategy: str, other: str) -> Markup:
    keys = ("against", other, aspect, strategy, metric)
    verb = "lowers" if numbers.get("significance", *keys, "difference") < 0 else "raises"
    difference, low, high = (
        numbers.show("+.2f", "significance", *keys, name) for name in ("difference", "low", "high")
    )
    p = numbers.show(".2g", "significance", *keys, "p_holm")
    return Markup("{} {} {} {} by {} [{}, {}] against {} (p = {}).").format(
        strategy, verb, aspect, metric.upper(), difference, low, high, other, p
    )


def _references(
    numbers: Numbers, aspects: Sequence[str], references: Sequence[str], baseline: str
) -> Iterator[Markup]:
    for reference in references:
        for aspect in aspects:
            for metric in COMPARED:
                keys = ("against", baseline, aspect, reference, metric)
                difference = numbers.get("significance", *keys, "difference")
                if difference is None or (difference < 0) != (metric == "mse"):
                    continue
                ours = numbers.show(".3g", "strategies", reference, aspect, "system", metric, "mean")
                theirs = numbers.show(".3g", "strategies", baseline, aspect, "system", metric, "mean")
                verdict = "separable" if numbers.get("significance", *keys, "separable") else "not separable"
                p = numbers.show(".2g", "significance", *keys, "p_holm")
                yield Markup("{} beats {} in {} {}: {} against {}, {} (p = {}).").format(
                    reference, baseline, aspect, metric.upper(), ours, theirs, verdict, p
                )


def _shortcuts(
    numbers: Numbers, aspects: Sequence[str], strategies: Sequence[str], baseline: str
) -> Iterator[Markup]:
    for aspect in aspects:
        if "shortcut_slope" not in numbers.get("strategies", baseline, aspect, "shortcut"):
            continue
        where = {name: (name, aspect, "shortcut", "shortcut_slope", "mean") for name in strategies}
        slopes = {name: numbers.get("strategies", *keys) for name, keys in where.items()}
        if None in slopes.values():
            continue
        least = min(strategies, key=lambda name: abs(slopes[name]))
        yield Markup(
            "{}: under another source's signature, predictions of {} move by {} of what the sources' train scores "
            "differ by; least with {}, {} (means over seeds, not tested)."
        ).format(
            aspect,
            baseline,
            numbers.show(".2f", "strategies", *where[baseline]),
            least,
            numbers.show(".2f", "strategies", *where[least]),
        )


def _probes(numbers: Numbers, strategies: Sequence[str], baseline: str) -> Iterator[Markup]:
    chance = numbers.show(".0%", "probes", baseline, "chance", "mean")
    for strategy in strategies:
        linear, nonlinear = (
            numbers.show(".0%", "probes", strategy, f"domain_accuracy_{kind}", "mean")
            for kind in ("linear", "nonlinear")
        )
        yield Markup(
            "From h of {}, a linear probe reads the source of {} of the natural clips, a non-linear one of {} "
            "(chance: {})."
        ).format(strategy, linear, nonlinear, chance)


def _uncertainty(numbers: Numbers, aspects: Sequence[str], strategies: Sequence[str]) -> Iterator[Markup]:
    for strategy in strategies:
        where = ("uncertainty", strategy)
        coverages = [numbers.get(*where, "aspects", aspect, "coverage_95", "mean") for aspect in aspects]
        shown = [
            Markup("{} ({})").format(numbers.show(".0%", *where, "aspects", aspect, "coverage_95", "mean"), aspect)
            for aspect in aspects
        ]
        verdict = "" if min(coverages) >= 0.95 - CLOSE else " It is too sure of itself."
        yield Markup("The 95% intervals of {} hold {} of the eval clips.{}").format(
            strategy, Markup(", ").join(shown), verdict
        )
        joint, constant = numbers.get(*where, "joint_nll", "mean"), numbers.get(*where, "train_nll", "joint")
        if joint is not None and constant is not None and joint > constant:
            yield Markup(
                "{}: one Gaussian fitted to the train ratings explains the eval ratings better ({} nats a clip) "
                "than the head's Gaussians ({})."
            ).format(
                strategy,
                numbers.show(".2f", *where, "train_nll", "joint"),
                numbers.show(".2f", *where, "joint_nll", "mean"),
            )
