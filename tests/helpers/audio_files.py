"""Audio files in formats that libsndfile does not write."""

from pathlib import Path

import av
import numpy as np

RATE = 16_000


def write(path: Path, codec: str, samples: np.ndarray, rate: int = RATE) -> None:
    """Encode samples (channels, samples)."""
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 64_000  # Windows Media Audio has no default
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, layout, stream.rate, stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
