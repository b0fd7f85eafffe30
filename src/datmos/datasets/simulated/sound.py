"""General-sound layers: streams of events (impacts, chirps, bursts, growls) as in a field recording."""

import numpy as np

from datmos.datasets.simulated.signature import RATE, Timbre

KINDS = ("impact", "chirp", "burst", "growl")


def stream(
    kind: str, register: int, disorder: float, timbre: Timbre, rng: np.random.Generator, samples: int
) -> np.ndarray:
    """Return one stream (samples,) of events of one kind.

    ``register`` 0..5 is how high it sounds: streams of a clip don't hide each other.
    ``disorder`` 0: the same event again and again at a steady pace; 1: at random times, each of another pitch,
    loudness and roughness. What is drawn from ``rng`` does not depend on it.
    """
    period = rng.uniform(0.22, 0.45)  # seconds
    base = 200 * 2 ** (0.6 * register + rng.uniform(0, 0.6)) * timbre.formant  # Hz
    modes = base * np.array([1.0, rng.uniform(1.4, 1.7), rng.uniform(2.2, 2.9)])
    count = int(np.ceil(samples / RATE / period))
    late = 0.6 * rng.standard_normal(count)  # periods
    octaves = 0.8 * rng.standard_normal(count)
    loud = np.exp(disorder * 0.8 * rng.standard_normal(count))
    shake = 0.5 * rng.standard_normal((count, 64))  # octaves, 64 points along an event
    length = int(1.3 * period * RATE)
    noise = rng.standard_normal((count, length))
    same = rng.standard_normal(length)  # the grain that every event has when nothing varies
    mix = np.zeros(samples + length)
    for k in range(count):
        start = int(np.clip((k + disorder * late[k]) * period * RATE, 0, samples))
        wander = np.interp(np.linspace(0, 63, length), np.arange(64), shake[k])
        factor = 2 ** (disorder * (octaves[k] + wander))
        grain = (1 - disorder) * same + disorder * noise[k]
        mix[start : start + length] += loud[k] * _event(kind, modes, factor, grain, timbre)
    return mix[:samples]


def _event(kind: str, modes: np.ndarray, factor: np.ndarray, grain: np.ndarray, timbre: Timbre) -> np.ndarray:
    """One event; ``factor`` (length,) moves its ``modes`` (3,) Hz, ``grain`` (length,) is its noise."""
    time = np.arange(len(factor)) / RATE
    rise = np.clip(time / timbre.attack, 0, 1)
    fall = np.clip((time[-1] - time) / 0.03, 0, 1)
    if kind == "chirp":  # a bird: one sweeping tone
        sweep = modes[0] * 1.5 * factor * (1 + 0.5 * np.sin(2 * np.pi * 6 * time))
        return np.sin(2 * np.pi * np.cumsum(np.minimum(sweep, 7000) / RATE)) * rise * fall
    weights = np.arange(1, 4) ** -timbre.tilt
    tones = [
        w * np.sin(2 * np.pi * np.cumsum(np.minimum(f * factor, 7000) / RATE))
        for w, f in zip(weights, modes, strict=True)
    ]
    if kind == "impact":  # something struck: three modes that ring
        return np.sum(tones, axis=0) * rise * fall * np.exp(-14 * time)
    if kind == "burst":  # steam, a wave: noise that swells, coloured by the modes
        return grain * (0.3 + 0.7 * np.abs(np.sum(tones, axis=0))) * rise * fall * np.exp(-7 * time)
    growl = 1 + np.sign(np.sin(2 * np.pi * np.cumsum(35 * factor / RATE)))  # an engine: chopped modes
    return np.sum(tones, axis=0) * growl * rise * fall
