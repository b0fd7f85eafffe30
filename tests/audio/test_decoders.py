"""Decoding in processes of its own: what one file asks for is bounded, and costs the others nothing."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datmos.audio import decoders, limits
from datmos.audio.blocks import FileBlocks
from datmos.audio.unusable import UnusableAudioError
from helpers.audio_files import write
from helpers.loudness import RATE, sound

FORMATS = ("wav", "mp3", "m4a")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Processes are started with the limits that hold then."""
    decoders._stop_all()
    yield
    decoders._stop_all()


def clip(path: Path, seconds: float = 1.0) -> Path:
    samples = 0.5 * sound(np.random.default_rng(0), seconds)
    if path.suffix == ".m4a":
        write(path, "aac", samples[None])
    else:
        soundfile.write(path, samples, RATE)
    return path


def length(path: Path) -> float:
    pairs = list(FileBlocks(path))
    return sum(block.shape[1] for _, block in pairs) / pairs[0][0]


def worker() -> decoders._Decoder:
    (decoder,) = decoders._idle
    return decoder


def test_a_file_that_takes_too_long_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clip(tmp_path / "a.flac", 600.0)  # which is searched to its end
    monkeypatch.setattr(limits, "DECODING", 0.001)
    with pytest.raises(UnusableAudioError, match="it takes too long"):
        length(path)
    monkeypatch.undo()
    assert length(path) == 600.0


def test_computing_may_take_as_long_as_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the limit is none for long recordings: what has been heard is time that was earned."""
    path = clip(tmp_path / "long.mp3", 600.0)
    monkeypatch.setattr(limits, "DECODING", 0.1)
    assert length(path) == pytest.approx(600.0, abs=0.1)


@pytest.mark.parametrize("ending", ["wav", "mp3"])
def test_a_file_that_takes_too_much_memory_has_a_reason(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(tmp_path / f"long.{ending}", 60.0)
    assert length(path) == pytest.approx(60.0, abs=0.1)
    decoders._stop_all()
    monkeypatch.setattr(limits, "MEMORY", 2**19)
    with pytest.raises(UnusableAudioError, match="memory"):
        length(path)


def claim(box: bytes, entries: int) -> Callable[[bytearray], None]:
    """A table of an MP4 file, all in one entry or in many that are not there, claims that many samples."""

    def change(content: bytearray) -> None:
        place = content.index(box) + 8
        if box == b"stsz":  # one size for all
            content[place : place + 4] = (1).to_bytes(4, "big")
            place += 4
        if box == b"stts":
            content[place : place + 4] = (1).to_bytes(4, "big")
            place += 4
        content[place : place + 4] = entries.to_bytes(4, "big")

    return change


@pytest.mark.parametrize("entries", [10**6, 8 * 10**7, 2**32 - 1])
@pytest.mark.parametrize("box", [b"stsz", b"stts", b"stsc", b"stco"])
def test_tables_that_claim_much_cost_little(box: bytes, entries: int, tmp_path: Path) -> None:
    content = bytearray(clip(tmp_path / "a.m4a", 3.0).read_bytes())
    claim(box, entries)(content)
    (tmp_path / "a.m4a").write_bytes(content)
    assert bounded(tmp_path / "a.m4a")


def test_bombs_of_the_attack(shared: Path) -> None:
    for path in (*(shared / "faults/bombs").glob("*.[mo][4g][ag]"), shared / "faults/alac_bomb.m4a"):
        assert bounded(path), path.name


def bounded(path: Path) -> bool:
    """Whether a file is read, or has a reason, in the memory that it may have; in this process in nearly none."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from datmos.audio import decoders, limits\n"
        "from datmos.audio.blocks import FileBlocks\n"
        "from datmos.audio.unusable import UnusableAudioError\n"
        "try: found = sum(block.size for _, block in FileBlocks(Path(sys.argv[1])))\n"
        "except UnusableAudioError: pass\n"
        "decoders._stop_all()\n"
        "own = int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) * 1024\n"
        "theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024\n"
        "assert own < 150e6, own\n"
        "assert theirs < limits.MEMORY + 150e6, theirs\n"
    )
    return subprocess.run([sys.executable, "-c", code, str(path)], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("ending", FORMATS)
def test_a_process_that_dies_is_the_end_of_one_file(ending: str, tmp_path: Path) -> None:
    path = clip(tmp_path / f"a.{ending}", 60.0)
    blocks = iter(FileBlocks(path))
    next(blocks)
    (child,) = children()
    os.kill(child, signal.SIGSEGV)
    with pytest.raises(UnusableAudioError, match="breaks the decoder"):
        list(blocks)
    assert length(path) == pytest.approx(60.0, abs=0.1)
    worker()._process.kill()  # while it waits
    worker()._process.wait()
    assert length(path) == pytest.approx(60.0, abs=0.1)


def children() -> list[int]:
    """Numbers of the processes that this one has started and that decode."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(number) for number in (task / "children").read_text().split()]
    return [n for n in found if b"decoder_process" in Path(f"/proc/{n}/cmdline").read_bytes()]


def test_one_process_decodes_many_files_and_not_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MOST_FILES", 3)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    used = []
    for _ in range(2):
        length(clip(tmp_path / "a.wav"))
        used.append(worker()._process.pid)
        with pytest.raises(UnusableAudioError):
            length(tmp_path / "broken.wav")
        used.append(worker()._process.pid)
        length(clip(tmp_path / "a.m4a"))
        assert not decoders._idle
    assert len(set(used)) == 2


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_is_left_in_the_middle_does_not_meet_the_next(ending: str, tmp_path: Path) -> None:
    for _ in range(2):
        next(iter(FileBlocks(clip(tmp_path / f"a.{ending}", 60.0))))
        assert length(clip(tmp_path / "b.wav", 2.0)) == 2.0
    assert len(decoders._idle) <= 1


def test_an_interrupted_answer_does_not_meet_the_next_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    path = clip(tmp_path / "a.wav", 3.0)
    length(path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "readv", interrupted)
        with pytest.raises(KeyboardInterrupt):
            length(path)
    assert not decoders._idle
    assert length(path) == 3.0


def test_threads_decode_side_by_side(tmp_path: Path) -> None:
    paths = [clip(tmp_path / f"{number}.wav", number / 4) for number in range(1, 25)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(length, paths)) == [number / 4 for number in range(1, 25)]
    assert 1 <= len(decoders._idle) <= 6


def test_a_fork_has_processes_of_its_own(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.wav", 2.0)
    length(path)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(length, [path] * 8) == [2.0] * 8
    assert length(path) == 2.0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_the_program(number: int, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from datmos.audio import decoders\n"
        "from datmos.audio.blocks import FileBlocks\n"
        "list(FileBlocks(Path(sys.argv[1])))\n"
        "print(decoders._idle[0]._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(clip(tmp_path / "a.wav"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout is not None
    child = int(program.stdout.readline())
    program.send_signal(number)
    program.wait(10)
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail("the process is still there")
