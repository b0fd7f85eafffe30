"""Raters: a pool of listeners, each with a bias, who turn a true score into integers 1..10.

A rating is 1 + Binomial(9, p) with p drawn from a Beta around (score - 1) / 9: its mean is the score itself
*everywhere* on the scale. Rounding and clipping a normal instead would pull scores near 1 (PC of speech!)
inwards by half a point. The spread shrinks towards both ends, as in AES-Natural, where the SD of single
PC ratings is .6 at a mean of 1 and 1.8 at a mean of 4. True scores count as 1.03..9.97 here.
"""

import numpy as np
from scipy.special import expit, logit

from datmos.datasets.simulated.truth import HIGHEST, LOWEST, Truth

POOL = 60  # listeners, of whom every clip gets a few
BIAS_SD = 0.2  # of a listener's leniency in an aspect, log-odds; about .45 points mid-scale
CONCENTRATION = np.array([20.0, 20.0, 8.0, 6.7])  # PQ PC CE CU: agreement within a clip, higher is closer


def draw_pool(raters: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the biases (listeners, 4) of a pool of at least ``raters`` listeners, mean 0."""
    biases = rng.normal(0, BIAS_SD, (max(POOL, raters), len(CONCENTRATION)))
    return biases - biases.mean(axis=0)  # the pool as a whole is fair: scores are not shifted against the truth


def rate(truth: Truth, pool: np.ndarray, raters: int, rng: np.random.Generator) -> np.ndarray:
    """Return integer ratings (raters, 4) of a clip by ``raters`` different listeners of the pool."""
    bias = pool[rng.choice(len(pool), size=raters, replace=False)]
    share = np.clip((np.array(truth) - LOWEST) / (HIGHEST - LOWEST), 0.003, 0.997)
    personal = expit(logit(share) + bias)  # (raters, 4) where this listener puts the clip
    impression = rng.beta(personal * CONCENTRATION, (1 - personal) * CONCENTRATION)
    return 1 + rng.binomial(int(HIGHEST - LOWEST), impression)
