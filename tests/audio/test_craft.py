"""Hand-made files at and beyond every limit: each is read in full, or has its reason."""

from pathlib import Path

import av
import pytest

from datmos.audio.excerpt import read_excerpt
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError

AUDIO = AudioParams(clip_seconds=3.0, offset=0.0, min_seconds=0.25)
UNKNOWN, RATE, SILENT = "Format not recognised", "1000 to 768000 Hz can be read", "silent"
NO_NUMBERS, LOUD, SHORT = "NaN or infinite", "is far above full scale", "shorter than audio.min_seconds"
# samples: the FFmpeg of PyAV 19 leaves out the padding at the end
M4A = 27484 if int(av.__version__.split(".")[0]) >= 19 else 27648
FOUND: dict[str, float | str] = {  # seconds, or words of the reason
    "good": 1.0, "data_lie": 1.0, "data_lie2": 1.0, "bits1": 2.0, "bits64": 0.25, "good.m4a": M4A / 44100,
    "good.mp3": 0.6,
    **{f"rate{rate}": 1.0 for rate in (7919, 44099, 44101, 47999, 96001, 191999, 655349)},
    "rate1000": 4.0, "rate3999": 1.00025,
    **dict.fromkeys(("rate1", "rate2", "rate8", "rate100", "rate_max", "rate_prime_2M"), RATE),
    **dict.fromkeys(("rate0", "rate_neg"), "incomplete"),
    "ch0": "Channel count is zero", "ch255": "255 channels; 1 to 64",
    "ch65535": "Too many channels|65535 channels; 1 to 64",
    "bits0": "unimplemented", "riff_only": "No 'data' chunk", "empty": "empty file",
    **dict.fromkeys(("data0", "one_sample"), SHORT),
    **dict.fromkeys(("nan_one", "nan_all", "inf_last", "double_1e308"), NO_NUMBERS),
    **dict.fromkeys(("big", "eleven"), LOUD),
    **dict.fromkeys(("dc", "silence", "denormal", "cancel"), SILENT),
    **dict.fromkeys(
        ("concat_abs", "concat_good", "concat_http", "concat_many", "concat_self", "hls_end", "hls_http",
         "hls_live", "dash", "sdp", "xxe", "ff", "one_byte", "random", "text", "zeros", "zip"),
        UNKNOWN,
    ),
}  # fmt: skip


def test_every_file_is_known(shared: Path) -> None:
    names = {path.name.removesuffix(".wav") for path in (shared / "faults/craft").iterdir()}
    assert names == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_a_crafted_file(name: str, shared: Path) -> None:
    path = shared / "faults/craft" / (name if "." in name else f"{name}.wav")
    expected = FOUND[name]
    if isinstance(expected, str):
        with pytest.raises(UnusableAudioError, match=expected):
            read_excerpt(path, AUDIO)
    else:
        assert read_excerpt(path, AUDIO)[1].duration_s == pytest.approx(expected, abs=1e-3)
