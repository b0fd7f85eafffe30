"""Draw both backbones side by side (paper, Fig. 2): `python stages/backbones.py audiobox_baseline`."""

import sys

import pandas as pd

from datmos.comparison.differences import backbone_rows
from datmos.core.errors import run_stage
from datmos.core.files import read_json
from datmos.core.places import METRICS, PLOTS
from datmos.params.schema import load_params
from datmos.report.figures.backbones import draw_backbones
from datmos.report.figures.diagnostics import draw_training


def main() -> None:
    """Write plots/backbones/<baseline>.png and <baseline>_training.png."""
    name, params = sys.argv[1], load_params()
    tuned = params.finetune.strategies
    domains = {one.domains for one in tuned.values() if one.adversarial}
    frozen = [one for one, own in params.strategies.items() if own.adversarial and own.domains in domains]
    others = [one for one in tuned if one != name]
    rows = backbone_rows(
        read_json(METRICS / "significance.json")["against"],
        {params.evaluate.baseline: frozen, name: others},
        params.data.aspects,
    )
    draw_backbones(rows, PLOTS / f"backbones/{name}.png")
    curves = {one: pd.read_csv(f"plots/training/{one}.csv") for one in tuned}
    loss = "|error| + error² (z-scored)"
    draw_training(curves, PLOTS / f"backbones/{name}_training.png", loss)


if __name__ == "__main__":
    run_stage(main)
