"""Signatures: how a source or system *sounds* whatever its quality (microphone, room, hiss, timbre).

A signature is a fixed set of numbers drawn without looking at any score. It is the nuisance of the study:
a model can tell the source by it, and with `corpus.shortcut` > 0 the source predicts the score.
"""

from dataclasses import dataclass

import numpy as np

RATE = 16000  # Hz, of everything in this package
EQ_KNOTS = (0, 150, 300, 600, 1200, 2400, 4000, 6000, 8000)  # Hz
EQ_SD = 5.0  # dB
REFLECTIONS = 5


@dataclass(frozen=True)
class Timbre:
    """What the synthesisers take from a signature."""

    pitch: float  # factor on every fundamental frequency
    tilt: float  # roll-off of harmonics: the k-th has amplitude k ** -tilt
    formant: float  # factor on formants and resonances: size of the instrument or the throat
    attack: float  # seconds a note or an event takes to rise


@dataclass(frozen=True)
class Signature:
    """Microphone, room and hiss of one source or system; numbers only, so it can be sent to a worker."""

    timbre: Timbre
    eq: tuple[float, ...]  # dB at EQ_KNOTS
    delays: tuple[float, ...]  # seconds, early reflections of the room
    gains: tuple[float, ...]  # amplitude of each reflection, the direct sound is 1
    floor: float  # dB, level of the noise floor relative to the clip
    colour: float  # dB an octave, slope of the noise floor


def draw_signature(rng: np.random.Generator) -> Signature:
    """Draw a signature; no argument but ``rng``, so it can't carry quality."""
    timbre = Timbre(
        pitch=float(2 ** rng.uniform(-0.3, 0.3)),
        tilt=float(rng.uniform(0.8, 2.0)),
        formant=float(rng.uniform(0.85, 1.18)),
        attack=float(rng.uniform(0.004, 0.03)),
    )
    return Signature(
        timbre=timbre,
        eq=tuple(rng.normal(0, EQ_SD, len(EQ_KNOTS)).tolist()),
        delays=tuple(np.sort(rng.uniform(0.002, 0.03, REFLECTIONS)).tolist()),
        gains=tuple((rng.uniform(0.1, 0.4, REFLECTIONS) * rng.choice([-1, 1], REFLECTIONS)).tolist()),
        floor=float(rng.uniform(-58, -46)),
        colour=float(rng.uniform(-6, 0)),
    )


def apply_signature(x: np.ndarray, signature: Signature, rng: np.random.Generator) -> np.ndarray:
    """Play ``x`` (samples,) in the signature's room into its microphone; ``rng`` draws the hiss."""
    room = x.copy()
    for delay, gain in zip(signature.delays, signature.gains, strict=True):
        shift = round(delay * RATE)
        room[shift:] += gain * x[:-shift]
    microphone = 10 ** (np.interp(np.fft.rfftfreq(len(x), 1 / RATE), EQ_KNOTS, signature.eq) / 20)
    heard = np.fft.irfft(np.fft.rfft(room) * microphone, len(x))
    hiss = coloured_noise(len(x), signature.colour, rng)
    return heard + hiss * rms(heard) * 10 ** (signature.floor / 20)


def coloured_noise(samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise (samples,) of RMS 1 whose level falls by ``-slope`` dB an octave above 50 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 50) / 50)
    noise = np.fft.irfft(spectrum * 10 ** (slope * octaves / 20), samples)
    return noise / rms(noise)


def rms(x: np.ndarray) -> float:
    """Root mean square; never 0, so that it can divide."""
    return float(np.sqrt(np.mean(x**2)) + 1e-12)
