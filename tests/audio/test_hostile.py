"""Files that try to make the reader do more than read them, or that promise what they do not hold."""

import os
import socket
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from av.stream import Disposition

from datmos.audio import limits
from datmos.audio.blocks import FileBlocks
from datmos.audio.excerpt import read_excerpt
from datmos.audio.limits import MOST_CHANNELS, RATES
from datmos.audio.open_file import file_facts, open_audio, unchanged
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.embedding.clip_encoder import load_unchanged
from helpers.audio_files import write
from helpers.loudness import RATE, sound

AUDIO = AudioParams(clip_seconds=0.5, offset=0.0, min_seconds=0.1)


def samples(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return sound(np.random.default_rng(0), seconds, rate)


def wav(path: Path, seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> Path:
    soundfile.write(path, np.stack([samples(seconds, rate)] * channels, axis=1), rate, subtype="PCM_16")
    return path


def reason(path: Path) -> str:
    """Why a file can't be used; both ways of reading must agree."""
    with pytest.raises(UnusableAudioError) as excerpt:
        read_excerpt(path, AUDIO)
    with pytest.raises(UnusableAudioError) as blocks:
        list(FileBlocks(path))
    assert str(excerpt.value) == str(blocks.value)
    return str(excerpt.value)


def read(path: Path) -> tuple[float, str | None]:
    """Seconds that a file holds, and what it says of itself."""
    blocks = FileBlocks(path)
    pairs = list(blocks)
    return sum(block.shape[1] for _, block in pairs) / pairs[0][0], blocks.shortfall


@pytest.mark.parametrize("name", ["list.wav", "list.m3u8", "list.ffconcat", "list.mp3"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile private.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nprivate.wav\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/private.wav\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9999 RTP/AVP 0\n",
    ],
)
def test_a_file_that_names_other_files_is_no_audio(text: str, name: str, tmp_path: Path) -> None:
    wav(tmp_path / "private.wav")
    (tmp_path / name).write_text(text)
    assert "can't be decoded" in reason(tmp_path / name)


def test_playlists_of_the_attack(shared: Path) -> None:
    found = [*(shared / "faults/hls").glob("*.m3u8"), *(shared / "faults/concat").glob("[!g]*.wav")]
    assert len(found) > 12
    for path in found:
        assert "can't be decoded" in reason(path), path.name


def test_a_name_is_never_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []
        threading.Thread(target=lambda: asked.append(server.accept()), daemon=True).start()
        path = Path(f"http:/127.0.0.1:{server.getsockname()[1]}/clip.m4a")
        assert reason(path) == os.strerror(2)  # no such file
        path.parent.mkdir(parents=True)
        write(tmp_path / "clip.m4a", "aac", samples()[None])
        (tmp_path / "clip.m4a").replace(path)
        assert read(path)[0] == pytest.approx(1, abs=0.1)
        assert not asked
    for name in ("Interview: part 1.m4a", "pipe:0", "-", "concat:a.wav|b.wav", "%03d.m4a"):
        path.rename(name)
        path = Path(name)
        assert read(path)[0] == pytest.approx(1, abs=0.1)


def test_whatever_a_decoder_raises_is_a_reason(shared: Path) -> None:
    damaged = shared / "faults/uncaught"
    assert reason(damaged / "a_1_0006_headflip.eac3") == "changes from 6 channels at 48000 Hz to 2 at 48000 Hz"
    assert "can't be decoded" in reason(damaged / "caf_pcm_16_1_0009_lie.caf")
    assert read(damaged / "a_1_0004_lie.mp4")[0] > 0.1  # its tags are damaged, its sound is not
    assert "can't be decoded" in reason(shared / "faults/craft/bits0.wav")


def test_files_without_a_header_have_a_reason(tmp_path: Path) -> None:
    for name in ("clip.raw", "clip.pcm", "clip.vox", "clip.gsm"):
        (tmp_path / name).write_bytes(samples().astype("<f4").tobytes())
        assert "can't be decoded" in reason(tmp_path / name)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    (tmp_path / "folder.wav").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket.wav"))
    cases = {"fifo.wav": "named pipe", "zero.wav": "a device", "folder.wav": "a folder", "socket.wav": "a socket"}
    for name, kind in cases.items():
        assert kind in reason(tmp_path / name)
        with pytest.raises(Exception, match=kind):
            load_unchanged(tmp_path / name, "0" * 64, AUDIO, RATE)
    server.close()


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    assert "NUL" in reason(tmp_path / "a\0b.wav")
    assert reason(tmp_path / ("a" * 300 + ".wav")) == os.strerror(36)


@pytest.mark.parametrize("rate", [1, 100, RATES[0] - 1, RATES[1] + 1, 10_000_019])
def test_rates_outside_the_limits_are_refused(rate: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", samples(), rate, subtype="PCM_16")
    assert f"sample rate {rate} Hz; 1000 to 768000 Hz" in reason(tmp_path / "a.wav")


def test_rates_at_the_limits_are_read(tmp_path: Path) -> None:
    for rate in RATES:
        assert read(wav(tmp_path / "a.wav", 0.2, rate))[0] == pytest.approx(0.2)


def test_channels_outside_the_limits_are_refused(tmp_path: Path) -> None:
    assert read(wav(tmp_path / "most.wav", channels=MOST_CHANNELS))[0] == 1.0
    assert "65 channels; 1 to 64" in reason(wav(tmp_path / "more.wav", channels=MOST_CHANNELS + 1))
    assert "64 channels at 96000 Hz; at this rate 43" in reason(
        wav(tmp_path / "fast.wav", 0.2, 96_000, MOST_CHANNELS)
    )


def test_decoding_ends_whatever_the_header_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_SECONDS", 0.5)
    with pytest.raises(UnusableAudioError, match="longer than"):
        list(FileBlocks(wav(tmp_path / "a.wav", 20.0)))
    write(tmp_path / "a.m4a", "aac", samples(20.0)[None])
    with pytest.raises(UnusableAudioError, match="longer than"):
        list(FileBlocks(tmp_path / "a.m4a"))


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "W64", "RF64"])
def test_a_file_that_was_cut_off_says_so(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole", samples(4.0), RATE, format=kind, subtype="PCM_16")
    assert read(tmp_path / "whole") == (4.0, None)
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "half").write_bytes(content[: len(content) // 2])
    seconds, shortfall = read(tmp_path / "half")
    assert seconds == pytest.approx(2, abs=0.01)
    assert shortfall == "holds 2.0 of 4.0 s: the file is cut off or damaged"


def test_so_does_one_that_libsndfile_gives_up_on(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.caf", samples(4.0), RATE, subtype="PCM_16")
    assert read(tmp_path / "a.caf") == (4.0, None)
    content = (tmp_path / "a.caf").read_bytes()
    (tmp_path / "a.caf").write_bytes(content[: len(content) // 2])
    seconds, shortfall = read(tmp_path / "a.caf")  # FFmpeg drops a part of its last packet
    assert seconds == pytest.approx(2, abs=0.07)
    assert shortfall == f"holds {seconds:.1f} of 4.0 s: the file is cut off or damaged"


def test_compressed_files_that_were_cut_off_say_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", samples(4.0), RATE)
    soundfile.write(tmp_path / "a.ogg", samples(4.0), RATE)
    soundfile.write(tmp_path / "a.opus", samples(4.0), RATE, format="OGG", subtype="OPUS")
    write(tmp_path / "a.webm", "libopus", samples(4.0, 48_000)[None], 48_000)
    for path in sorted(tmp_path.iterdir()):
        assert read(path)[1] is None, path.name
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        seconds, shortfall = read(path)
        assert seconds < 3.5
        assert shortfall is not None, path.name
        assert shortfall.startswith(f"holds {seconds:.1f}"), path.name


def test_a_length_that_was_not_known_promises_nothing(tmp_path: Path) -> None:
    """Programs that write to a pipe put the largest number there is."""
    content = bytearray(wav(tmp_path / "a.wav").read_bytes())
    for unknown in (2**32 - 1, 2**31 - 1, 2**31 - 45, 2_000_000_000):
        content[40:44] = unknown.to_bytes(4, "little")
        (tmp_path / "a.wav").write_bytes(content)
        assert read(tmp_path / "a.wav") == (1.0, None)


def test_samples_after_a_header_that_says_zero_are_read(tmp_path: Path, shared: Path) -> None:
    content = bytearray(wav(tmp_path / "a.wav").read_bytes())
    content[40:44] = bytes(4)
    for riff in (bytes(4), (36).to_bytes(4, "little"), content[4:8]):
        content[4:8] = riff
        (tmp_path / "a.wav").write_bytes(content)
        assert read(tmp_path / "a.wav") == (1.0, None)
        _, header = read_excerpt(tmp_path / "a.wav", AUDIO)
        assert header.duration_s == pytest.approx(1.0, abs=0.01)
    for path in (shared / "faults/headers").iterdir():
        assert read(path) == (3.575, None), path.name


def test_a_comment_is_no_promise(tmp_path: Path, shared: Path) -> None:
    """libsndfile's log repeats comments, and tells in it what a header promises."""
    with soundfile.SoundFile(tmp_path / "a.wav", "w", RATE, 1) as file:
        file.title = ": 999999999 (should be 1)"
        file.write(samples())
    assert read(tmp_path / "a.wav") == (1.0, None)
    assert read(shared / "faults/bombs/promise.wav") == (3.0, None)


def test_a_file_of_nothing_but_chunks_is_refused_at_once(tmp_path: Path) -> None:
    content = bytearray(wav(tmp_path / "a.wav").read_bytes())
    content[36:36] = b"LIST\0\0\0\0" * 2_000_000
    (tmp_path / "a.wav").write_bytes(content)
    assert reason(tmp_path / "a.wav") == "consists of more than 10000 chunks"


@pytest.mark.parametrize("kind", ["FLAC", "MP3"])
@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125)])
def test_all_files_of_a_chain_are_heard(kind: str, tag: bytes, tmp_path: Path) -> None:
    """Speech servers send sentence by sentence, each a whole file."""
    soundfile.write(tmp_path / "one", samples(2.0), RATE, format=kind)
    content = (tmp_path / "one").read_bytes() + (tag if kind == "MP3" else b"")
    (tmp_path / "three").write_bytes(3 * content)
    assert read(tmp_path / "three")[0] == pytest.approx(6.0, abs=0.3)
    assert read(tmp_path / "three")[1] is None
    for seconds in (1.0, 60.0):
        _, header = read_excerpt(tmp_path / "three", AUDIO.model_copy(update={"clip_seconds": seconds}))
        assert header.duration_s == pytest.approx(6.0, abs=0.3)
    (tmp_path / "tagged").write_bytes(content + bytes(128))
    assert read(tmp_path / "tagged") == (2.0, None)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "RF64", "CAF"])
def test_a_file_after_the_end_that_no_decoder_hears_is_told(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one", samples(2.0), RATE, format=kind, subtype="PCM_16")
    (tmp_path / "three").write_bytes(3 * (tmp_path / "one").read_bytes())
    assert read(tmp_path / "three") == (
        2.0,
        "goes on after 2.0 s: another file follows in it, which was not heard",
    )


def test_files_that_go_on_of_the_attack(shared: Path) -> None:
    folder = shared / "faults/concatenated"
    assert read(folder / "three_frozen-bubble_000.mp3") == (pytest.approx(24.77, abs=0.1), None)
    seconds, told = read(folder / "three_frozen-bubble_001.wav")
    assert (seconds, told is not None and told.startswith("goes on after 3.6 s")) == (3.575, True)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_all_streams_of_a_chained_ogg_file_are_heard(subtype: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.ogg", samples(2.0), RATE, format="OGG", subtype=subtype)
    content = (tmp_path / "one.ogg").read_bytes()
    (tmp_path / "two.ogg").write_bytes(content + content)
    assert read(tmp_path / "two.ogg")[0] == pytest.approx(4.0, abs=0.1)
    _, header = read_excerpt(tmp_path / "two.ogg", AUDIO.model_copy(update={"clip_seconds": 60.0}))
    assert header.duration_s == pytest.approx(4.0, abs=0.1)


def test_the_default_track_is_heard(tmp_path: Path) -> None:
    for default in (0, 1):
        path = tmp_path / f"{default}.mkv"
        with av.open(str(path), "w") as container:
            streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
            for number, stream in enumerate(streams):
                stream.disposition = Disposition.default if number == default else Disposition(0)
            for level, stream in zip((1000, 8000), streams, strict=True):
                frame = av.AudioFrame.from_ndarray(
                    (level * np.sign(samples())).astype(np.int16)[None], format="s16", layout="mono"
                )
                frame.sample_rate = RATE
                for packet in [*stream.encode(frame), *stream.encode(None)]:
                    container.mux(packet)
        loudest = max(np.abs(block).max() for _, block in FileBlocks(path))
        assert loudest == pytest.approx((1000, 8000)[default] / 2**15)


def test_a_file_that_changes_while_it_is_read_is_not_used(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav")

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(UnusableAudioError, match="changed while it was read"), open_audio(path):
        grow()
    with pytest.raises(UnusableAudioError, match="changed while it was read"), unchanged(path):
        grow()
    other = wav(tmp_path / "b.wav")  # of the same size and time
    path.write_bytes(other.read_bytes())
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    with pytest.raises(UnusableAudioError, match="changed while it was read"), unchanged(path):
        other.replace(path)


def test_facts_of_any_date(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    facts = file_facts(path)
    assert facts == (path.stat().st_size, "2023-11-14T22:13:20.123456+00:00")
    with open_audio(path) as (_, opened):
        assert opened == facts
    os.utime(path, (0, -1e9))
    assert read(path)[0] == 1.0
    for year in (10_000, 30_000):
        try:
            os.utime(path, (0, (year - 1970) * 31_556_952))
        except OverflowError:
            continue  # this file system knows no such date
        later = file_facts(path)
        assert later is not None
        assert later.modified != facts.modified
        assert read(path)[0] == 1.0
    assert file_facts(tmp_path / "missing") is None
    assert file_facts(Path("a\0b")) is None
