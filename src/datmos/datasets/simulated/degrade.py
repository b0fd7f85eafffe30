"""What low production quality does to a clip: one or two of six degradations, harsher as PQ falls."""

import numpy as np
from scipy import signal

from datmos.datasets.simulated.signature import RATE, coloured_noise, rms
from datmos.datasets.simulated.truth import HIGHEST, LOWEST

CHAIN = ("reverb", "noise", "clipping", "band", "codec", "dropouts")  # in the order a recording suffers them
PAIR = 0.8  # two degradations at once are each this much milder


def severity(pq: float) -> float:
    """PQ -> severity, 1 at the lowest score, 0 (nothing audible) at the highest, falling."""
    return (HIGHEST - pq) / (HIGHEST - LOWEST)


def noise_snr(s: float) -> float:
    """Severity -> signal-to-noise ratio in dB, 45 down to -3."""
    return 45 - 48 * s


def band_limit(s: float) -> float:
    """Severity -> highest frequency in Hz that passes, 7800 down to 800 (even steps in octaves)."""
    return float(7800 * (800 / 7800) ** s)


def clipped_share(s: float) -> float:
    """Severity -> share of the samples that hit the ceiling, 0 up to half."""
    return 0.5 * s**1.5


def reverb_time(s: float) -> float:
    """Severity -> seconds in which the reverberation falls by 60 dB, .1 up to 2."""
    return 0.1 + 1.9 * s


def reverb_level(s: float) -> float:
    """Severity -> reverberation relative to the direct sound, amplitude, 0 up to 2."""
    return 2 * s


def codec_floor(s: float) -> float:
    """Severity -> dB below a frame's peak under which the codec drops a bin, 75 up to 5."""
    return 75 - 70 * s


def lost_packets(s: float) -> float:
    """Severity -> share of the 20 ms packets that are lost, 0 up to .6."""
    return 0.6 * s


def draw_degradations(rng: np.random.Generator) -> tuple[str, ...]:
    """Draw one or two degradations, in the order of `CHAIN`."""
    count = rng.integers(1, 3)
    drawn = rng.choice(len(CHAIN), size=count, replace=False)
    return tuple(CHAIN[k] for k in sorted(drawn))


def degrade(x: np.ndarray, pq: float, seed: int) -> np.ndarray:
    """Degrade ``x`` (samples,) as ``pq`` demands; kinds and their randomness come from ``seed`` alone."""
    kinds = draw_degradations(np.random.default_rng([seed, len(CHAIN)]))
    s = severity(pq) * (PAIR if len(kinds) == 2 else 1.0)
    for kind in kinds:
        x = DEGRADATIONS[kind](x, s, np.random.default_rng([seed, CHAIN.index(kind)]))
    return x


def _noise(x: np.ndarray, s: float, rng: np.random.Generator) -> np.ndarray:
    hiss = coloured_noise(len(x), rng.uniform(-3, 0), rng)
    return x + hiss * rms(x) * 10 ** (-noise_snr(s) / 20)


def _band(x: np.ndarray, s: float, rng: np.random.Generator) -> np.ndarray:
    return signal.sosfilt(signal.butter(8, band_limit(s), fs=RATE, output="sos"), x)


def _clipping(x: np.ndarray, s: float, rng: np.random.Generator) -> np.ndarray:
    ceiling = np.quantile(np.abs(x), 1 - clipped_share(s))
    return np.clip(x, -ceiling, ceiling)


def _reverb(x: np.ndarray, s: float, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(int(1.2 * reverb_time(1.0) * RATE)) / RATE  # the same length, so the same draws, for any s
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / reverb_time(s))
    wet = signal.fftconvolve(x, tail)[: len(x)]
    return x + wet * reverb_level(s) * rms(x) / rms(wet)


def _codec(x: np.ndarray, s: float, rng: np.random.Generator) -> np.ndarray:
    _, _, bins = signal.stft(x, RATE, nperseg=512)
    level = np.abs(bins)
    kept = level >= level.max(axis=0) * 10 ** (-codec_floor(s) / 20)  # holes: the sound of a low bit rate
    return signal.istft(bins * kept, RATE, nperseg=512)[1][: len(x)]


def _dropouts(x: np.ndarray, s: float, rng: np.random.Generator) -> np.ndarray:
    packet = RATE // 50
    kept = rng.uniform(size=-(-len(x) // packet)) >= lost_packets(s)
    return x * np.repeat(kept, packet)[: len(x)]


DEGRADATIONS = {
    "reverb": _reverb,
    "noise": _noise,
    "clipping": _clipping,
    "band": _band,
    "codec": _codec,
    "dropouts": _dropouts,
}
