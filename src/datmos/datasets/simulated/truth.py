"""The true scores: drawn first, so that the audio and the raters both follow them.

The numbers below are statistics (not the label files) of AES-Natural, Meta, CC BY 4.0: Tjandra et al.,
"Meta Audiobox Aesthetics", arXiv 2502.05139. Natural clips: its 2,700 training clips by collection.
Eval systems: the 36 systems of the AudioMOS Challenge 2025 (track 2), 85 clips of ten ratings each.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

CATEGORIES = ("speech", "music", "sound")
ASPECTS = ("PQ", "PC", "CE", "CU")  # the order of every array and tuple of scores in this package
LOWEST, HIGHEST = 1.0, 10.0


class Truth(NamedTuple):
    """True scores of one clip, 1..10, four decimals: what ratings.csv prints is what was rendered."""

    pq: float
    pc: float
    ce: float
    cu: float


class Published(NamedTuple):
    """Published scores of one natural collection."""

    category: str
    collection: str
    mean: tuple[float, float, float, float]
    sd: tuple[float, float, float, float]
    correlation: tuple[float, float, float, float, float, float]  # PQ-PC PQ-CE PQ-CU PC-CE PC-CU CE-CU


# fmt: off
SOURCES: dict[str, Published] = {
    "crowd_speech": Published("speech", "Common Voice", (5.88, 1.79, 5.08, 5.42), (1.02, 0.54, 1.02, 1.12),
                              (-0.40, 0.87, 0.91, -0.35, -0.38, 0.94)),
    "audiobook": Published("speech", "LibriTTS", (7.22, 1.35, 6.53, 6.96), (0.66, 0.28, 0.60, 0.65),
                           (-0.25, 0.70, 0.81, -0.14, -0.15, 0.83)),
    "studio_speech": Published("speech", "EARS", (7.41, 1.32, 6.31, 6.87), (0.54, 0.29, 0.72, 0.71),
                               (-0.20, 0.68, 0.80, -0.07, -0.06, 0.85)),
    "music_mix": Published("music", "MUSDB18", (7.66, 3.98, 6.82, 7.39), (0.64, 1.89, 1.01, 0.77),
                           (0.17, 0.64, 0.78, 0.40, 0.29, 0.81)),
    "music_caps": Published("music", "MusicCaps", (5.68, 5.63, 5.50, 5.42), (1.43, 1.35, 1.46, 1.51),
                            (-0.09, 0.78, 0.92, 0.07, -0.13, 0.86)),
    "field_sound": Published("sound", "AudioSet", (5.73, 3.58, 3.73, 5.12), (1.05, 0.95, 1.26, 1.14),
                             (0.15, 0.64, 0.86, 0.32, 0.07, 0.65)),
}

# Eval systems. PQ, CE and CU of a system share almost everything: one factor carries them, and products of
# two loadings give their correlations (.96-.98). PC has two groups: 11 systems near 1.3 (taken to be the
# speech), 25 near 3.9.
SYSTEM = {"PQ": (6.02, 1.14, 0.977), "CE": (4.30, 1.47, 0.982), "CU": (5.27, 1.49, 0.999)}  # mean, SD, loading
SYSTEM_PC = {"speech": (1.29, 0.08), "music": (3.90, 0.61), "sound": (3.90, 0.61)}  # mean, SD
CLIP_SD = {  # of clips within a system
    "speech": (0.95, 0.24, 1.03, 1.15),
    "music": (0.95, 0.97, 1.03, 1.15),
    "sound": (0.95, 0.97, 1.03, 1.15),
}
CLIP_CORRELATION = (0.03, 0.75, 0.88, 0.19, 0.00, 0.83)
# fmt: on


def correlation_matrix(pairs: tuple[float, ...]) -> np.ndarray:
    """Return the (4, 4) matrix of the six pairs PQ-PC PQ-CE PQ-CU PC-CE PC-CU CE-CU."""
    matrix = np.eye(len(ASPECTS))
    rows, columns = np.triu_indices(len(ASPECTS), k=1)
    matrix[rows, columns] = matrix[columns, rows] = pairs
    return matrix


def source_moments(source: str, shortcut: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (4,) and SD (4,) of a source's true scores.

    shortcut 1: as published. shortcut 0: every source has the moments of all six pooled (equal weights), so
    the source says nothing about the score. In between: linear.
    """
    means = np.array([row.mean for row in SOURCES.values()])  # (6, 4)
    sds = np.array([row.sd for row in SOURCES.values()])
    pooled_mean = means.mean(axis=0)
    pooled_sd = np.sqrt(np.mean(sds**2, axis=0) + means.var(axis=0))  # spread within + between the sources
    own = SOURCES[source]
    mean = shortcut * np.array(own.mean) + (1 - shortcut) * pooled_mean
    sd = shortcut * np.array(own.sd) + (1 - shortcut) * pooled_sd
    return mean, sd


def draw_natural(source: str, shortcut: float, rng: np.random.Generator) -> Truth:
    """Draw the true scores of one natural clip."""
    mean, sd = source_moments(source, shortcut)
    return _draw(mean, sd, SOURCES[source].correlation, rng)


def draw_systems(categories: list[str], rng: np.random.Generator) -> np.ndarray:
    """Draw the mean true scores of the eval systems, one row a system: (systems, 4).

    The shared quality levels are evenly spaced quantiles, dealt so that of every three neighbouring levels
    each category gets one (``categories`` must repeat the three in turn): with only 36 systems, chance alone
    would tie quality to category. PC depends on nothing but the category and chance.
    """
    count = len(categories)
    own = rng.standard_normal((count, len(ASPECTS)))
    neighbours = _normal_scores(count).reshape(-1, len(CATEGORIES))  # (systems / 3, 3)
    quality = rng.permutation(rng.permuted(neighbours, axis=1), axis=0).ravel()
    means = np.empty((count, len(ASPECTS)))
    for k, aspect in enumerate(ASPECTS):
        if aspect == "PC":
            centre, sd = np.array([SYSTEM_PC[category] for category in categories]).T
            means[:, k] = centre + sd * own[:, k]
        else:
            centre, sd, loading = SYSTEM[aspect]
            means[:, k] = centre + sd * (loading * quality + np.sqrt(1 - loading**2) * own[:, k])
    return np.clip(means, LOWEST, HIGHEST)


def draw_generated(system_mean: np.ndarray, category: str, rng: np.random.Generator) -> Truth:
    """Draw the true scores of one clip of an eval system with mean true scores ``system_mean`` (4,)."""
    return _draw(system_mean, np.array(CLIP_SD[category]), CLIP_CORRELATION, rng)


def _draw(mean: np.ndarray, sd: np.ndarray, pairs: tuple[float, ...], rng: np.random.Generator) -> Truth:
    factor = np.linalg.cholesky(correlation_matrix(pairs))
    scores = mean + sd * (factor @ rng.standard_normal(len(ASPECTS)))
    return Truth(*(round(float(score), 4) for score in np.clip(scores, LOWEST, HIGHEST)))


def _normal_scores(count: int) -> np.ndarray:
    """Evenly spaced quantiles of a normal, rising, scaled to SD 1 (``count`` >= 3)."""
    scores = ndtri((np.arange(count) + 0.5) / count)
    return scores / scores.std(ddof=1)
