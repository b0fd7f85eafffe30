"""Looking at pictures."""

from pathlib import Path

from matplotlib.image import imread


def ink(path: Path) -> float:
    """Fraction of the pixels of a PNG that aren't white."""
    return float((imread(path)[..., :3].min(axis=2) < 0.99).mean())
