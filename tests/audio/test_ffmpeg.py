"""What libsndfile can't open: the right seconds, whatever the container."""

from pathlib import Path

import av
import numpy as np
import pytest

from datmos.audio.blocks import FileBlocks
from datmos.audio.excerpt import read_excerpt
from datmos.audio.ffmpeg import open_with_ffmpeg
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import NotOpenedError, UnusableAudioError
from datmos.audio.waveform import load_clip
from helpers.audio_files import RATE, write

FORMATS = {"clip.m4a": "aac", "clip.mp4": "aac", "clip.webm": "libopus", "clip.mov": "pcm_s16le"}


def steps(seconds: int) -> np.ndarray:
    """A tone whose pitch says which second it is: 300 Hz, 600 Hz, 900 Hz, ..."""
    time = np.arange(seconds * RATE) / RATE
    return 0.5 * np.sin(2 * np.pi * 300 * (1 + time.astype(int)) * time)


def pitch(samples: np.ndarray, rate: float) -> float:
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[np.abs(np.fft.rfft(samples)).argmax()])


@pytest.mark.parametrize("name", FORMATS)
def test_the_right_seconds(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, FORMATS[name], steps(4)[None])
    audio = AudioParams(clip_seconds=1.0, offset=2.0, min_seconds=0.25)
    samples, header = read_excerpt(tmp_path / name, audio)
    assert header.duration_s == pytest.approx(4, abs=0.15)
    assert header.channels == 1
    assert len(samples) == header.sample_rate
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert pitch(middle, header.sample_rate) == pytest.approx(900, abs=5)
    assert load_clip(tmp_path / name, audio, RATE).shape == (RATE,)
    late, _ = read_excerpt(tmp_path / name, audio.model_copy(update={"offset": 30.0}))  # then the end
    assert pitch(late[len(late) // 3 :], header.sample_rate) == pytest.approx(1200, abs=5)


def test_a_short_file_is_taken_whole(tmp_path: Path) -> None:
    write(tmp_path / "clip.m4a", "aac", steps(1)[None])
    samples, header = read_excerpt(
        tmp_path / "clip.m4a", AudioParams(clip_seconds=10.0, offset=0.0, min_seconds=0.1)
    )
    assert header.duration_s == pytest.approx(1, abs=0.1)
    assert len(samples) == pytest.approx(header.duration_s * RATE, abs=1)


def test_channels_stay_apart(tmp_path: Path) -> None:
    write(tmp_path / "clip.m4a", "aac", np.stack([steps(1), np.zeros(RATE)]))
    samples = np.concatenate([block for _, block in FileBlocks(tmp_path / "clip.m4a")], axis=1)
    assert samples.shape[0] == 2
    left, right = samples.std(axis=1)
    assert left == pytest.approx(0.35, abs=0.02)
    assert right < 0.01


def test_decoding_stops_where_the_excerpt_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "clip.m4a", "aac", np.tile(steps(4), 10)[None])
    decoded = []
    resampler = av.AudioResampler

    class Counting:
        def __init__(self, **options: object) -> None:
            self._inner = resampler(**options)

        def resample(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
            decoded.append(frame.samples)
            return self._inner.resample(frame)

    monkeypatch.setattr("datmos.audio.ffmpeg.av.AudioResampler", Counting)
    _, header = read_excerpt(tmp_path / "clip.m4a", AudioParams(clip_seconds=1.0, offset=0.0, min_seconds=0.1))
    assert sum(decoded) < 2 * RATE
    assert header.duration_s == pytest.approx(40, abs=0.2)


def test_a_film_without_sound_is_not_audio(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "silent.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for _ in range(5):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
            )
        container.mux(stream.encode(None))
    with (
        (tmp_path / "silent.mp4").open("rb", buffering=0) as file,
        pytest.raises(NotOpenedError, match="no audio track"),
        open_with_ffmpeg(file, "silent.mp4"),
    ):
        pass
    with pytest.raises(UnusableAudioError, match="can't be decoded"):
        read_excerpt(tmp_path / "silent.mp4", AudioParams(clip_seconds=1.0, offset=0.0, min_seconds=0.25))
