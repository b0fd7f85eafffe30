"""Audio files of many formats, and damaged ones made of them, by a seed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from helpers.audio_files import write
from helpers.loudness import RATE, sound

SNDFILE = {  # file name -> libsndfile's format and subtype
    "pcm16.wav": ("WAV", "PCM_16"), "float.wav": ("WAV", "FLOAT"), "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"), "ulaw.wav": ("WAV", "ULAW"), "extensible.wav": ("WAVEX", "PCM_24"),
    "rf64.wav": ("RF64", "PCM_16"), "a.w64": ("W64", "PCM_16"), "a.aiff": ("AIFF", "PCM_16"),
    "a.au": ("AU", "PCM_16"), "pcm.caf": ("CAF", "PCM_16"), "alac.caf": ("CAF", "ALAC_16"),
    "a.flac": ("FLAC", "PCM_16"), "vorbis.ogg": ("OGG", "VORBIS"), "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"), "a.voc": ("VOC", "PCM_16"), "a.nist": ("NIST", "PCM_16"),
}  # fmt: skip
FFMPEG = {  # file name -> FFmpeg's codec
    "a.aac": "aac", "a.ac3": "ac3", "a.eac3": "eac3", "aac.m4a": "aac", "alac.m4a": "alac", "a.mp4": "aac",
    "pcm.mov": "pcm_s16le", "a.mka": "libopus", "a.webm": "libopus", "a.wma": "wmav2", "a.wv": "wavpack",
    "a.tta": "tta", "a.mp2": "mp2", "a.flv": "libmp3lame", "a.avi": "libmp3lame", "a.ts": "aac", "a.g722": "g722",
    "a.3gp": "aac", "mp3.mka": "libmp3lame",
}  # fmt: skip
RATES = {"wmav2": 44_100, "aac": 44_100, "ac3": 44_100, "eac3": 44_100, "libmp3lame": 44_100, "mp2": 44_100,
         "libopus": 48_000}  # fmt: skip


def write_all(folder: Path) -> list[Path]:
    """Write one sound file of every format."""
    for name, (kind, subtype) in SNDFILE.items():
        rate = 8000 if subtype == "GSM610" else RATE
        samples = sound(np.random.default_rng(0), 0.6, rate)
        soundfile.write(folder / name, samples, rate, format=kind, subtype=subtype)
    for name, codec in FFMPEG.items():
        rate = RATES.get(codec, RATE)
        write(folder / name, codec, sound(np.random.default_rng(0), 0.6, rate)[None], rate)
    return [folder / name for name in (*SNDFILE, *FFMPEG)]


def mutate(content: bytes, generator: np.random.Generator) -> bytes:
    """Return a damaged copy of a file's bytes; most damage is to its first 200, where headers are."""
    data = bytearray(content)
    for _ in range(generator.integers(1, 4)):
        kind = generator.choice(["bit", "byte", "number", "cut", "remove", "repeat", "noise", "move"])
        if len(data) < 16:
            break
        end = min(200, len(data)) if generator.random() < 0.7 else len(data)
        place = int(generator.integers(0, end - 8))
        length = int(generator.integers(1, 1 + min(4000, len(data) - place)))
        if kind == "bit":
            data[place] ^= 1 << generator.integers(8)
        elif kind == "byte":
            data[place] = generator.integers(256)
        elif kind == "number":  # sizes, rates, channels that lie
            width = int(generator.choice([2, 4, 8]))
            value = int(generator.choice([0, 1, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1])) % 2 ** (8 * width)
            order = "little" if generator.random() < 0.5 else "big"
            data[place : place + width] = value.to_bytes(width, order)
        elif kind == "cut":
            del data[max(16, int(generator.integers(len(data)))) :]
        elif kind == "remove":
            del data[place : place + length]
        elif kind == "repeat":
            data[place:place] = data[place : place + length]
        elif kind == "noise":
            data[place : place + length] = generator.bytes(length)
        else:
            piece = data[place : place + length]
            target = int(generator.integers(len(data)))
            data[target : target + length] = piece
    return bytes(data)


def mutants(seeds: list[Path], folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Write damaged files, in turns of every format, and yield each."""
    generator = np.random.default_rng(seed)
    contents = [path.read_bytes() for path in seeds]
    for number in range(count):
        path = folder / f"{number:05}_{seeds[number % len(seeds)].name}"
        path.write_bytes(mutate(contents[number % len(seeds)], generator))
        yield path
