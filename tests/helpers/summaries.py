"""Summaries over seeds, as metrics/ has them."""

import math
from typing import Any

import numpy as np


def summary(*seeds: float) -> dict[str, Any]:
    """Of a metric with one value a seed."""
    std = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else math.nan
    return {"mean": float(np.mean(seeds)), "std": std, "ensemble": seeds[0], "seeds": list(seeds)}
