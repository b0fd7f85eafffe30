"""What a run found: the answer in three sentences, and a line for each strategy.

A strategy is called better or worse only if `datmos.comparison.significance` calls the difference separable.
Nothing here computes a statistic.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from datmos.comparison.rivals import Rivals
from datmos.comparison.summaries import COMPARED, LOWER_IS_BETTER, number
from datmos.core.errors import DatmosError
from datmos.core.files import read_json
from datmos.report.markdown import markdown_table, plain


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


class Verdict(NamedTuple):
    """What one predictor is against another: the aspects and metrics in which it is separably better, or worse."""

    better: list[tuple[str, str]]
    worse: list[tuple[str, str]]
    known: int  # comparisons in all


class Findings:
    """The findings of a run.

    Args:
        numbers: of the run.
        aspects: of the run.
        rivals: who was compared with whom.
        baseline: the strategy that the others are compared with.

    Raises:
        DatmosError: data/details/ lacks something (all methods).
    """

    def __init__(self, numbers: Numbers, aspects: Sequence[str], rivals: Rivals, baseline: str) -> None:
        self.numbers, self.aspects, self.rivals, self.baseline = numbers, aspects, rivals, baseline
        self.verdicts = {name: self._verdict(name, baseline) for name in rivals.all if name != baseline}

    def answer(self) -> list[Markup]:
        """Say whether a strategy is better than the baseline, than plain regression, and what it costs."""
        strategies = [name for name in self.rivals.trained if name != self.baseline]
        best = max(strategies, key=self._rank, default=self.baseline)
        if best == self.baseline or not self.verdicts[best].better:
            return [self._nothing(best), self._against_regression(self.baseline), self._losers(strategies)]
        own = self.verdicts[best]
        gains = Markup("{} is separably better than {} in {} of {} comparisons: {}.").format(
            best, self.baseline, len(own.better), own.known, self._list(best, own.better)
        )
        if own.worse:
            cost = Markup("It costs something: {} is separably worse in {}.").format(
                best, self._list(best, own.worse)
            )
        else:
            cost = Markup("It costs nothing that could be shown: {} is separably worse in no comparison.").format(
                best
            )
        return [gains, self._against_regression(best), cost]

    def text(self) -> str:
        """Return answer and table, in Markdown."""
        return "".join(f"{one.striptags()}\n\n" for one in self.answer()) + self.table()

    def table(self) -> str:
        """Lay out a line for each predictor, in Markdown."""
        regressions, probes = self.rivals.regressions, self.numbers.get("probes")
        heads = ["Strategy", f"better than {plain(self.baseline)}", "worse", "not separable"]
        heads += [f"better / worse than {plain(name)}" for name in regressions]
        heads.append("source read from h")
        rows = []
        for name in self.rivals.all:
            row = [plain(name)]
            if name == self.baseline:
                row += ["", "", ""]
            else:
                own = self.verdicts[name]
                row += [plain(self._list(name, found).striptags()) for found in (own.better, own.worse)]
                row.append(f"{own.known - len(own.better) - len(own.worse)} of {own.known}")
            for other in regressions:
                verdict = self._verdict(name, other)
                row.append("" if name == other else f"{len(verdict.better)} / {len(verdict.worse)}")
            read = probes.get(name, {}).get("domain_accuracy_linear", {}).get("mean")
            row.append("" if read is None else f"{read:.0%}")
            rows.append(row)
        chance = self.numbers.get("probes", self.baseline, "chance", "mean")
        return (
            "Better and worse are separable differences of system-level MSE and SRCC (see significance.md). Source "
            f"read from h: what a linear probe gets right (chance: {number(chance):.0%}).\n\n"
            + markdown_table(heads, rows)
        )

    def _verdict(self, name: str, other: str) -> Verdict:
        verdict = Verdict([], [], 0)
        known = 0
        for aspect in self.aspects:
            if name not in (rivals := self.numbers.get("significance", "against", other, aspect)):
                continue  # itself, or of another backbone
            for metric in COMPARED:
                found = rivals[name][metric]
                known += found["difference"] is not None
                if found["separable"]:
                    better = (found["difference"] < 0) == (metric in LOWER_IS_BETTER)
                    (verdict.better if better else verdict.worse).append((aspect, metric))
        return verdict._replace(known=known)

    def _rank(self, name: str) -> tuple[int, float]:
        """Order strategies: by what is separable, and then by the mean gain in SRCC."""
        keys = ("significance", "against", self.baseline)
        gains = [number(self.numbers.get(*keys, one, name, "srcc", "difference")) for one in self.aspects]
        own = self.verdicts[name]
        return len(own.better) - len(own.worse), sum(gain for gain in gains if gain == gain)

    def _list(self, name: str, found: Sequence[tuple[str, str]]) -> Markup:
        keys = ("significance", "against", self.baseline)
        parts = [
            Markup("{} {} {}").format(
                aspect, metric.upper(), self.numbers.show("+.2f", *keys, aspect, name, metric, "difference")
            )
            for aspect, metric in found
        ]
        return Markup(", ").join(parts)

    def _nothing(self, best: str) -> Markup:
        text = Markup("This evaluation does not show that any strategy is better than {}.").format(self.baseline)
        if best == self.baseline:
            return text
        keys = ("significance", "against", self.baseline)
        least = [
            Markup("{} ({})").format(
                self.numbers.show(".2f", *keys, aspect, best, "srcc", "smallest_detectable"), aspect
            )
            for aspect in self.aspects
            if self.numbers.get(*keys, aspect, best, "srcc", "smallest_detectable") is not None
        ]
        if not least:
            return text
        return text + Markup(" It could show differences in SRCC from {} on.").format(Markup(", ").join(least))

    def _against_regression(self, name: str) -> Markup:
        if not self.rivals.regressions:
            return Markup("It was not compared with plain regression (evaluate.references).")
        sentences = []
        for other in self.rivals.regressions:
            own = self._verdict(name, other)
            sentences.append(
                Markup("{} is separably better than {} in {} of {} comparisons, and worse in {}.").format(
                    name, other, len(own.better), own.known, len(own.worse)
                )
            )
        return Markup(" ").join(sentences)

    def _losers(self, strategies: Sequence[str]) -> Markup:
        worse = [name for name in strategies if self.verdicts[name].worse]
        if not worse:
            return Markup("No strategy is separably worse than {} either.").format(self.baseline)
        return Markup("Separably worse than {} somewhere: {}.").format(self.baseline, Markup(", ").join(worse))
