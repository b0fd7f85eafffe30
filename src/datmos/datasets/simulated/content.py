"""What a clip is made of: PC says how many layers, CE how orderly they are, CU how much of it survives."""

import numpy as np

from datmos.datasets.simulated import music, sound, speech
from datmos.datasets.simulated.signature import RATE, Timbre, rms
from datmos.datasets.simulated.truth import HIGHEST, LOWEST, Truth

MAX_LAYERS = 6
SEGMENT = 0.16  # seconds: the pieces that low usefulness takes away
GOLDEN = 0.6180339887498949  # steps of this size spread evenly over [0, 1), wherever a clip is cropped


def layers(pc: float) -> float:
    """PC -> number of concurrent layers, 1..6, rising; the fraction is the gain of the last one."""
    return float(np.clip(pc, 1, MAX_LAYERS))


def disorder(ce: float) -> float:
    """CE -> randomness of pitch, rhythm and pattern, 1 at the lowest score, 0 at the highest, falling."""
    return (HIGHEST - ce) / (HIGHEST - LOWEST)


def lost_share(cu: float) -> float:
    """CU -> share of the clip that is missing or garbled, .75 at the lowest score, 0 at the highest."""
    return 0.75 * (HIGHEST - cu) / (HIGHEST - LOWEST)


def render_content(truth: Truth, category: str, timbre: Timbre, seed: int, samples: int) -> np.ndarray:
    """Return the dry content (samples,), RMS 1.

    Every random choice comes from ``seed`` and none depends on a score: the same seed at another score is
    the same content with more or fewer layers, more or less order, more or less of it lost.
    """
    mix = np.zeros(samples)
    for layer in range(int(np.ceil(layers(truth.pc)))):
        gain = min(layers(truth.pc) - layer, 1.0)
        track = _layer(layer, category, disorder(truth.ce), timbre, seed, samples)
        track = tremble(track, disorder(truth.ce), np.random.default_rng([seed, MAX_LAYERS + 2, layer]))
        mix += gain * track / rms(track)
    mix = garble(mix, lost_share(truth.cu), np.random.default_rng([seed, MAX_LAYERS + 1]))
    return mix / rms(mix)


def _layer(layer: int, category: str, chaos: float, timbre: Timbre, seed: int, samples: int) -> np.ndarray:
    rng = np.random.default_rng([seed, layer])  # its own stream: a layer is the same however many others play
    shared = np.random.default_rng([seed, MAX_LAYERS])  # what the layers of a clip have in common
    if category == "speech":
        return speech.voice(chaos, timbre, rng, samples)
    if category == "music":
        return music.play(music.PARTS[layer], music.draw_piece(shared), chaos, timbre, rng, samples)
    kind = sound.KINDS[shared.permutation(MAX_LAYERS)[layer] % len(sound.KINDS)]
    register = int(shared.permutation(MAX_LAYERS)[layer])
    return sound.stream(kind, register, chaos, timbre, rng, samples)


def tremble(x: np.ndarray, chaos: float, rng: np.random.Generator) -> np.ndarray:
    """Make the loudness of ``x`` (samples,) shake 30 times a second, by up to 8 dB (SD) where all is disorder."""
    points = int(len(x) / RATE * 30) + 2
    shake = np.interp(np.arange(len(x)) / RATE * 30, np.arange(points), rng.standard_normal(points))
    return x * 10 ** (8 * chaos * shake / 20)


def garble(x: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Lose about ``share`` of the segments of ``x`` (samples,): each becomes a gap or shuffled grains.

    Nested: what is lost at a smaller share is lost at a larger one too.
    """
    length = int(SEGMENT * RATE)
    count = -(-len(x) // length)
    order = np.mod(rng.uniform() + GOLDEN * np.arange(count), 1.0)
    gap = rng.uniform(size=count) < 0.75
    grain = length // 20  # 8 ms
    shuffles = rng.permuted(np.tile(np.arange(20), (count, 1)), axis=1)
    gain = np.ones(len(x))
    out = x.copy()
    for k in np.flatnonzero(order < share).tolist():
        begin, end = k * length, min((k + 1) * length, len(x))
        if gap[k] or end - begin < length:
            gain[begin:end] = 0.02
        else:
            grains = x[begin : begin + 20 * grain].reshape(20, grain)
            out[begin : begin + 20 * grain] = grains[shuffles[k]].ravel()
    ramp = np.hanning(66)[1:-1]  # 4 ms: a gap does not click
    return out * np.convolve(np.pad(gain, 64, mode="edge"), ramp / ramp.sum(), mode="same")[64:-64]
