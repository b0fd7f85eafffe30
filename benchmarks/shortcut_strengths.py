"""What the strategies did at several strengths of the planted shortcut, with intervals.

Each RUN is a folder where the pipeline ran on the simulated study, all with the same strategies and seeds:

    git worktree add ../strength-0.5 && cd ../strength-0.5
    dvc exp run -S corpus.shortcut=0.5 -S 'seeds=[0,1,2,3,4]'

    python benchmarks/shortcut_strengths.py ../strength-0 ../strength-0.5 ../strength-1 --out docs/strengths

writes OUT.md (tables), OUT.csv (all numbers) and OUT.png. A value is the mean over seeds of a seed's metric. Its
95% interval is a percentile bootstrap that draws seeds and, with all their clips, eval systems (for the metrics of
the counterfactual split: base clips). The draws are the same for all strategies, so differences to the baseline are
paired. The shortcut slope is on the published means of the sources at every strength, so that the slope at strength
0 shows what chance gives.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import rankdata

from datmos.core.clips import COUNTERFACTUAL
from datmos.core.errors import DatmosError, run_stage
from datmos.core.files import write_csv, write_text
from datmos.datasets.simulated.truth import ASPECTS, SOURCES
from datmos.params.schema import Params, load_params
from datmos.report.figures.style import COLOURS, MARKERS, plain_frame, save

RESAMPLES = 2000
# metric -> (column of the table, which way is better: -1 lower, 1 higher)
METRICS = {
    "mse": ("MSE ↓", -1),
    "srcc": ("SRCC ↑", 1),
    "srcc_true": ("SRCC (true) ↑", 1),
    "error_eta2_category": ("error η² category ↓", -1),
    "signature_sensitivity": ("signature sensitivity ↓", -1),
    "signature_sensitivity_ratio": ("ratio to content ↓", -1),
    "shortcut_slope": ("shortcut slope ↓", -1),
}
DRAWN = ("srcc", "mse", "signature_sensitivity_ratio", "shortcut_slope")


class Predicted(NamedTuple):
    """One aspect of one strategy: S seeds, E eval clips, B base clips, Q signatures."""

    evaluated: np.ndarray  # (S, E)
    counterfactual: np.ndarray  # (S, B, Q)


class Ground(NamedTuple):
    """What all strategies of a run are measured against, for one aspect."""

    system: np.ndarray  # (E,) number of the clip's system
    category: np.ndarray  # (systems,) number of the system's category
    rated: np.ndarray  # (E,)
    true: np.ndarray  # (E,)
    planted: np.ndarray  # (Q,) mean score of the signature's source at strength 1


class Draws(NamedTuple):
    """Which seeds, systems and bases a resample consists of; the first resample is the data themselves."""

    seeds: np.ndarray  # (R, S)
    systems: np.ndarray  # (R, systems)
    bases: np.ndarray  # (R, B)


def draw(seeds: int, systems: int, bases: int) -> Draws:
    """Draw resamples with replacement, the same for every strategy, aspect and run of these sizes."""
    rng = np.random.default_rng(0)
    parts = []
    for count in (seeds, systems, bases):
        drawn = rng.integers(count, size=(RESAMPLES + 1, count))
        drawn[0] = np.arange(count)
        parts.append(drawn)
    return Draws(*parts)


def resampled_metrics(predicted: Predicted, ground: Ground, draws: Draws) -> dict[str, np.ndarray]:
    """Return every metric of `METRICS` for every resample, mean over its seeds: (R,) each."""
    sizes = np.bincount(ground.system)

    def by_system(clips: np.ndarray) -> np.ndarray:  # (..., E) -> sums (..., systems)
        return np.apply_along_axis(lambda row: np.bincount(ground.system, row), -1, clips)

    def pick(table: np.ndarray) -> np.ndarray:  # (S, systems) -> (R, S, systems)
        return table[draws.seeds[:, :, None], draws.systems[:, None, :]]

    guess = pick(by_system(predicted.evaluated) / sizes)
    rated, true = ((by_system(scores) / sizes)[draws.systems][:, None, :] for scores in (ground.rated, ground.true))
    error = predicted.evaluated - ground.rated
    eta2 = _eta2(
        pick(by_system(error)),
        pick(by_system(error**2)),
        sizes[draws.systems][:, None, :],
        ground.category[draws.systems][:, None, :],
    )
    twins = predicted.counterfactual
    spreads, contents = twins.std(axis=2, ddof=1), twins.mean(axis=2)  # (S, B)
    chosen = draws.seeds[:, :, None], draws.bases[:, None, :]
    spread, content = spreads[chosen].mean(axis=2), contents[chosen].std(axis=2, ddof=1)
    moved = (twins - contents[:, :, None])[chosen].mean(axis=2)  # (R, S, Q)
    planted = ground.planted - ground.planted.mean()
    values = {
        "mse": ((guess - rated) ** 2).mean(axis=2),
        "srcc": _srcc(guess, rated),
        "srcc_true": _srcc(guess, true),
        "error_eta2_category": eta2,
        "signature_sensitivity": spread,
        "signature_sensitivity_ratio": spread / content,
        "shortcut_slope": moved @ planted / (planted @ planted),
    }
    return {name: value.mean(axis=1) for name, value in values.items()}


def _srcc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's correlation along the last axis; systems drawn twice are ties and share a rank."""
    ranks = [rankdata(values, axis=-1) for values in (x, y)]
    a, b = (r - r.mean(axis=-1, keepdims=True) for r in ranks)
    return (a * b).sum(axis=-1) / np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))


def _eta2(sums: np.ndarray, squares: np.ndarray, sizes: np.ndarray, category: np.ndarray) -> np.ndarray:
    """`datmos.evaluation.shortcuts.error_eta2` from each drawn system's sum and sum of squares of errors."""
    n = sizes.sum(axis=-1)
    total = squares.sum(axis=-1) - sums.sum(axis=-1) ** 2 / n
    within, groups = squares.sum(axis=-1), 0
    for number in range(int(category.max()) + 1):
        mine = category == number
        size = (sizes * mine).sum(axis=-1)
        within = within - (sums * mine).sum(axis=-1) ** 2 / np.maximum(size, 1)
        groups = groups + (size > 0)
    return 1 - (within / (n - groups)) / (total / (n - 1))


def read_run(folder: Path) -> tuple[Params, dict[str, dict[str, Predicted]], dict[str, Ground]]:
    """Read a run: params, ``{strategy: {aspect: Predicted}}``, ``{aspect: Ground}``."""
    params = load_params(folder / "params.yaml")
    names = ["data/manifest.parquet", *(f"data/predictions/{name}.parquet" for name in params.strategies)]
    for name in names:
        if not (folder / name).is_file():
            raise DatmosError(f"{folder / name}: no such file; run `dvc repro` in {folder} first")
    manifest, *tables = (pd.read_parquet(folder / name) for name in names)
    evaluated = manifest[manifest["split"] == "eval"]
    twins = manifest[manifest["split"] == COUNTERFACTUAL].sort_values(["base", "source"])
    if twins.empty:
        raise DatmosError(f"{folder}: no counterfactual clips; set corpus.counterfactuals above 0 and run again")
    sources = sorted(twins["source"].unique())
    systems, _ = pd.factorize(evaluated["system"], sort=True)
    categories = evaluated.groupby("system")["category"].first()
    grounds = {
        aspect: Ground(
            systems,
            pd.factorize(categories, sort=True)[0],
            evaluated[aspect].to_numpy(np.float64),
            evaluated[f"{aspect}_true"].to_numpy(np.float64),
            np.array([SOURCES[source].mean[number] for source in sources]),
        )
        for number, aspect in enumerate(ASPECTS)
    }
    predicted: dict[str, dict[str, Predicted]] = {}
    for strategy, table in zip(params.strategies, tables, strict=True):
        wide = table.pivot(index="seed", columns="clip_id", values=list(ASPECTS)).loc[params.seeds]
        predicted[strategy] = {
            aspect: Predicted(
                wide[aspect][evaluated["clip_id"]].to_numpy(np.float64),
                wide[aspect][twins["clip_id"]].to_numpy(np.float64).reshape(len(wide), -1, len(sources)),
            )
            for aspect in ASPECTS
        }
    return params, predicted, grounds


def summarise_run(folder: Path) -> tuple[Params, pd.DataFrame]:
    """All metrics of a run in long form, with intervals, and those of the paired difference to the baseline."""
    params, predicted, grounds = read_run(folder)
    rows = []
    for aspect, ground in grounds.items():
        shape = predicted[params.evaluate.baseline][aspect].counterfactual.shape
        draws = draw(shape[0], len(ground.category), shape[1])
        found = {name: resampled_metrics(own[aspect], ground, draws) for name, own in predicted.items()}
        for strategy, metrics in found.items():
            for metric, values in metrics.items():
                delta = values - found[params.evaluate.baseline][metric]
                numbers = [n for v in (values, delta) for n in (v[0], *np.percentile(v[1:], [2.5, 97.5]))]
                rows.append((params.corpus.shortcut, strategy, aspect, metric, *numbers))
    columns = [
        "strength",
        "strategy",
        "aspect",
        "metric",
        "value",
        "low",
        "high",
        "delta",
        "delta_low",
        "delta_high",
    ]
    return params, pd.DataFrame(rows, columns=columns)


def report(rows: pd.DataFrame, seeds: int) -> str:
    """Lay the results out as markdown, a table a strength and aspect."""
    parts = [
        f"Means over {seeds} seeds with 95% bootstrap intervals. `*`: the interval of the paired difference to the "
        "baseline (the first row) excludes 0; nothing is corrected for the number of comparisons.\n"
    ]
    for (strength, aspect), part in rows.groupby(["strength", "aspect"], sort=False):
        lines = [["Strategy", *(head for head, _ in METRICS.values())], [":---"] + ["---:"] * len(METRICS)]
        for strategy, own in part.groupby("strategy", sort=False):
            cells = own.set_index("metric")
            lines.append([str(strategy), *(_cell(cells.loc[metric]) for metric in METRICS)])
        parts.append(
            f"\n**Strength {strength:g}, {aspect}**\n\n" + "".join(f"| {' | '.join(c)} |\n" for c in lines)
        )
    return "".join(parts)


def _cell(row: pd.Series) -> str:
    star = "*" if row["delta_low"] > 0 or row["delta_high"] < 0 else ""
    return f"{row['value']:.2f}{star} [{row['low']:.2f}, {row['high']:.2f}]"


def draw_strengths(rows: pd.DataFrame, path: Path) -> None:
    """Draw metrics (rows of panels) of aspects (columns) over the strength, a line a strategy."""
    aspects, strategies = list(rows["aspect"].unique()), list(rows["strategy"].unique())
    step = 0.02 * max(float(np.ptp(rows["strength"])), 0.1)
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=(2.8 * len(aspects) + 1.2, 2.3 * len(DRAWN)), layout="constrained")
        panels = figure.subplots(len(DRAWN), len(aspects), sharex=True, sharey="row", squeeze=False)
        for (line, metric), (column, aspect) in [(m, a) for m in enumerate(DRAWN) for a in enumerate(aspects)]:
            axes = panels[line, column]
            for place, strategy in enumerate(strategies):
                own = rows[(rows[["strategy", "aspect", "metric"]] == [strategy, aspect, metric]).all(axis=1)]
                own = own.sort_values("strength")
                axes.errorbar(
                    own["strength"] + step * (place - (len(strategies) - 1) / 2),
                    own["value"],
                    yerr=[own["value"] - own["low"], own["high"] - own["value"]],
                    color=COLOURS[place % len(COLOURS)],
                    marker=MARKERS[place % len(MARKERS)],
                    markersize=4,
                    linewidth=1,
                    elinewidth=0.7,
                    label=strategy,
                )
            axes.set_title(aspect if line == 0 else "")
            axes.set_ylabel(METRICS[metric][0] if column == 0 else "")
            axes.yaxis.grid(True, color="0.9", linewidth=0.6)
            plain_frame(axes)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
        figure.supxlabel("strength of the planted shortcut")
        save(figure, path)


def summarise_runs(folders: list[Path]) -> tuple[int, pd.DataFrame]:
    """Summarise several runs, by strength; returns the number of seeds, which they share, and all rows."""
    runs = sorted((summarise_run(folder) for folder in folders), key=lambda run: run[0].corpus.shortcut)
    first = runs[0][0]
    for params, _ in runs:
        if (params.seeds, list(params.strategies)) != (first.seeds, list(first.strategies)):
            raise DatmosError("the runs differ in seeds or strategies, so they can't be compared; run them alike")
    strengths = [params.corpus.shortcut for params, _ in runs]
    if len(set(strengths)) < len(strengths):
        raise DatmosError(f"every run needs another strength, found corpus.shortcut {strengths}")
    return len(first.seeds), pd.concat([rows for _, rows in runs], ignore_index=True)


def main() -> None:
    """Write OUT.md, OUT.csv and OUT.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, required=True, help="path without ending")
    arguments = parser.parse_args()
    seeds, rows = summarise_runs(arguments.runs)
    kinds: dict[str, Callable[[Path], None]] = {
        ".csv": lambda path: write_csv(path, rows),
        ".md": lambda path: write_text(path, report(rows, seeds)),
        ".png": lambda path: draw_strengths(rows, path),
    }
    for ending, write in kinds.items():
        write(arguments.out.with_name(arguments.out.name + ending))


if __name__ == "__main__":
    run_stage(main)
