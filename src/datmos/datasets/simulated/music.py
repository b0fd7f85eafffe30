"""Music-like layers: parts of one piece (melody, bass, chords, drums, arpeggio, descant)."""

from typing import NamedTuple

import numpy as np

from datmos.datasets.simulated.signature import RATE, Timbre

SCALE = np.array([0, 2, 4, 5, 7, 9, 11])  # semitones of a major key
PROGRESSIONS = ((0, 4, 5, 3), (0, 3, 4, 0), (5, 3, 0, 4), (0, 5, 3, 4))  # scale degrees of chord roots
HARMONICS = 8
WAVERS = 10  # points of a note between which its pitch wanders


class Part(NamedTuple):
    """How one layer plays."""

    octave: int  # MIDI note of the key's root in its register
    per_beat: float  # notes a beat
    voices: int  # notes at once; 0 for drums


PARTS = (
    Part(60, 1, 1),  # melody
    Part(36, 1, 1),  # bass
    Part(48, 0.5, 3),  # chords
    Part(0, 2, 0),  # drums
    Part(60, 4, 1),  # arpeggio
    Part(72, 2, 1),  # descant
)


class Piece(NamedTuple):
    """What all parts of a clip share."""

    key: int  # semitones above C
    beat: float  # seconds
    chords: tuple[int, ...]  # roots, one for every two beats


def draw_piece(rng: np.random.Generator) -> Piece:
    """Draw key, tempo and chords."""
    chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    return Piece(key=int(rng.integers(12)), beat=float(rng.uniform(0.36, 0.56)), chords=chords)


def play(
    part: Part, piece: Piece, disorder: float, timbre: Timbre, rng: np.random.Generator, samples: int
) -> np.ndarray:
    """Return one part (samples,).

    ``disorder`` 0: chord tones in tune and on the beat; 1: every note off by about two semitones, wavering,
    of random loudness, and off the beat. What is drawn from ``rng`` does not depend on it.
    """
    step = piece.beat / part.per_beat
    count = int(np.ceil(samples / RATE / step))
    voices = max(part.voices, 1)
    late = 0.35 * rng.standard_normal(count)  # steps
    loud = np.exp(disorder * 0.7 * rng.standard_normal(count))
    steps = rng.integers(0, 3, (count, voices))  # which tone of the chord
    wrong = 2.0 * rng.standard_normal((count, voices))  # semitones
    waver = 1.5 * rng.standard_normal((count, voices, WAVERS))  # semitones, along the note
    mix = np.zeros(samples)
    for note in range(count):
        start = int(max(0.0, (note + disorder * late[note]) * step) * RATE)
        length = min(int(1.1 * step * RATE), samples - start)
        if length <= 0:
            continue
        if part.voices == 0:
            sound = _hit(note, length, timbre, rng)
        else:
            root = piece.chords[int(note * step / (2 * piece.beat)) % len(piece.chords)]
            sound = np.zeros(length)
            for k in range(voices):
                degree = root + 2 * (k if voices > 1 else steps[note, k])  # thirds on the root
                pitch = part.octave + piece.key + 12 * (degree // 7) + SCALE[degree % 7]
                bend = disorder * np.interp(np.linspace(0, WAVERS - 1, length), np.arange(WAVERS), waver[note, k])
                sound += _tone(pitch + disorder * wrong[note, k] + bend, timbre)
        mix[start : start + length] += loud[note] * sound
    return mix


def _tone(pitch: np.ndarray, timbre: Timbre) -> np.ndarray:
    """A decaying note; ``pitch`` (length,) in MIDI numbers, one a sample."""
    frequency = 440 * 2 ** ((pitch - 69) / 12) * timbre.pitch
    turn = np.exp(2j * np.pi * np.cumsum(frequency / RATE))
    partial, tone = turn, np.zeros(len(pitch))
    for k in range(1, HARMONICS + 1):
        if k * frequency.max() > 0.47 * RATE:
            break
        tone += k**-timbre.tilt * partial.imag
        partial = partial * turn  # the next harmonic by one multiplication
    time = np.arange(len(pitch)) / RATE
    release = np.clip((len(pitch) / RATE - time) / 0.02, 0, 1)
    return tone * np.clip(time / timbre.attack, 0, 1) * np.exp(-3 * time) * release


def _hit(note: int, length: int, timbre: Timbre, rng: np.random.Generator) -> np.ndarray:
    """A drum: low thump on the beat, bright hiss off it."""
    time = np.arange(length) / RATE
    noise = rng.standard_normal(length)
    if note % 2 == 0:
        return np.sin(2 * np.pi * 60 * timbre.pitch * time + 4 * np.exp(-40 * time)) * np.exp(-18 * time)
    return 0.4 * np.diff(noise, prepend=0.0) * np.exp(-40 * time)
