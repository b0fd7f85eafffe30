"""Speech-like layers: one voice each, a pulse train through moving formants (source and filter)."""

import numpy as np
from scipy import signal

from datmos.datasets.simulated.signature import RATE, Timbre, coloured_noise

# F1, F2, F3 in Hz of seven vowels (after Peterson & Barney, 1952)
VOWELS = np.array(
    [
        (730, 1090, 2440),
        (270, 2290, 3010),
        (300, 870, 2240),
        (530, 1840, 2480),
        (570, 840, 2410),
        (660, 1720, 2410),
        (490, 1350, 1690),
    ],
    dtype=float,
)
BANDWIDTHS = np.array([80.0, 110.0, 160.0])  # Hz
WINDOW, HOP = 256, 128  # samples: formants move every 8 ms


def voice(disorder: float, timbre: Timbre, rng: np.random.Generator, samples: int) -> np.ndarray:
    """Return one voice (samples,) saying random syllables.

    ``disorder`` 0: a smooth falling pitch contour and even syllables; 1: pitch that jumps by up to an octave,
    shakes within a syllable, and syllables of random length. What is drawn from ``rng`` does not depend on it.
    """
    frames = samples // HOP + 2
    count = int(samples / RATE * 12) + 4  # more syllables than fit, however short they come out
    rate = rng.uniform(4.0, 5.2)  # syllables a second
    base = 100 * 2 ** rng.uniform(0, 1.1) * timbre.pitch  # Hz, this speaker's pitch
    throat = timbre.formant * rng.uniform(0.95, 1.05)
    vowels = VOWELS[rng.integers(len(VOWELS), size=count)] * throat
    lengths = np.exp(disorder * 0.7 * rng.standard_normal(count)) / rate
    jumps = 8.0 * rng.standard_normal(count)  # semitones
    shakes = 2.5 * rng.standard_normal(frames)  # semitones
    consonants = rng.uniform(0.15, 0.35, count)  # share of the syllable before the vowel
    loudness = np.exp(0.5 * disorder * rng.standard_normal(count))

    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    time = np.arange(frames) * HOP / RATE
    now = np.searchsorted(starts, time, side="right") - 1  # (frames,) the syllable being said
    within = np.clip((time - starts[now]) / lengths[now], 0, 1)
    phrase = 4.0 * (0.5 - np.mod(time, 2.0) / 2.0) + 1.0 * np.sin(2 * np.pi * within)
    middles = starts + lengths / 2
    semitones = phrase + disorder * (np.interp(time, middles, jumps) + shakes)
    voiced = (within > consonants[now]).astype(float)
    formants = np.stack([np.interp(time, middles, vowels[:, k]) for k in range(3)], axis=1)  # (frames, 3)
    envelope = (0.1 + 0.9 * np.sin(np.pi * within) ** 0.7) * loudness[now]

    excitation = _pulses(base * 2 ** (semitones / 12), samples, timbre.tilt)
    hiss = 0.25 * coloured_noise(samples, 3.0, rng)
    _, _, spectrum = signal.stft(excitation, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)
    _, _, fricative = signal.stft(hiss, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)
    steps = spectrum.shape[1]
    filtered = _formant_gain(formants[:steps]).T * spectrum * voiced[:steps]
    mixed = (filtered + fricative * (1 - voiced[:steps]) * 0.15) * envelope[:steps]
    _, spoken = signal.istft(mixed, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)
    return spoken[:samples]


def _pulses(f0: np.ndarray, samples: int, tilt: float) -> np.ndarray:
    """Glottal pulses at ``f0`` (frames,) Hz: smooth bumps, wider (duller) for a steeper ``tilt``."""
    pitch = np.interp(np.arange(samples) / HOP, np.arange(len(f0)), f0)
    phase = np.cumsum(pitch / RATE)
    offset = (phase - np.round(phase)) * RATE / pitch  # samples from the nearest pulse
    pulses = np.exp(-0.5 * (offset / (0.6 + tilt)) ** 2)
    return pulses - pulses.mean()


def _formant_gain(formants: np.ndarray) -> np.ndarray:
    """Resonance curves (frames, bins) of ``formants`` (frames, 3) Hz."""
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    distance = (bins[None, :, None] - formants[:, None, :]) / BANDWIDTHS
    return (1 / (1 + distance**2) * np.array([1.0, 0.6, 0.35])).sum(axis=2) + 0.01
