"""Draw the comparison."""

from pathlib import Path

import pandas as pd

from datmos.errors import run_stage
from datmos.figures import draw_comparison


def main() -> None:
    """Write plots/comparison.png."""
    draw_comparison(pd.read_csv("plots/comparison.csv"), Path("plots/comparison.png"))


if __name__ == "__main__":
    run_stage(main)
