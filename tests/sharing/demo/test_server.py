"""The demo's edge: what visitors send, whom it answers, and what is left of it; over HTTP, as a page asks."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

pytest.importorskip("gradio", reason="the extra datmos[demo] is not installed")

import httpx
from markdown_it import MarkdownIt

from datmos.audio.unusable import UnusableAudioError
from datmos.scoring.model import WindowScores
from datmos.scoring.scorer import Scorer
from datmos.sharing.demo.limits import LIMITS, LimitedBlocks, Limits
from datmos.sharing.demo.page import _write_head
from datmos.sharing.demo.server import serving
from helpers.demo_client import API, answer, ask, score, upload, uploaded, wav
from helpers.hostile_names import HOSTILE, Seen, shown
from helpers.loudness import LoudnessModel

SMALL = Limits(upload=400_000, audio=5.0, work=60.0, at_once=2, waiting=1)


class HangingModel(LoudnessModel):
    """Hangs in a loud window until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.released = threading.Event(), threading.Event()

    def __call__(self, inputs: dict[str, torch.Tensor]) -> WindowScores:
        if inputs["waveforms"].abs().max() > 0.9:
            self.hangs.set()
            assert self.released.wait(60)
        return super().__call__(inputs)


@contextmanager
def demo(model: LoudnessModel, limits: Limits) -> Iterator[str]:
    with serving(Scorer(model), limits=limits) as address:
        yield address


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with demo(LoudnessModel(), SMALL) as address:
        yield address


def left(path: Path) -> list[Path]:
    """Files in the folder of uploads."""
    return [one for one in path.parents[1].rglob("*") if one.is_file()]


@pytest.mark.takes(2)
def test_an_upload_is_scored_and_removed(served: str) -> None:
    path = uploaded(served, wav(2.0), "melody.wav")
    found = score(served, path)
    assert found.event == "complete"
    assert found.notes.startswith("melody.wav, 2.0 s\n")
    assert left(path) == []


def test_an_upload_that_cannot_be_scored_is_removed_too(served: str) -> None:
    path = uploaded(served, b"this is no sound", "broken.wav")
    found = score(served, path)
    assert found.event == "error"
    assert found.reason.startswith("broken.wav: ")
    assert str(path.parent) not in found.reason
    assert left(path) == []


def test_a_second_request_for_a_removed_upload_says_so(served: str) -> None:
    path = uploaded(served, wav(0.5))
    score(served, path)
    assert score(served, path).reason == (
        "clip.wav: is no upload, or was removed after it was scored; upload it again"
    )


def test_a_long_file_is_refused_whatever_its_header_says(served: str) -> None:
    content = wav(6.0)
    lying = content[:40] + (2 * 16_000).to_bytes(4, "little") + content[44:]  # one second, says the header
    path = uploaded(served, content, "long.wav")
    assert score(served, path).reason.startswith(
        "long.wav: longer than 5 seconds, which is the most that this page "
    )
    assert left(path) == []
    assert "1.0 s" in score(served, uploaded(served, lying)).notes  # the header's second is all that is read


def test_a_large_upload_is_refused_before_it_is_read(served: str) -> None:
    refused = upload(served, bytes(2_000_000))
    assert refused.status_code == 413
    assert refused.text == (
        "The request has 2.0 MB; an upload of at most 0.4 MB is expected. Cut the file, or score it in the "
        "terminal with `datmos score`."
    )
    path = uploaded(served, wav(0.5))
    assert upload(served, bytes(450_000)).status_code == 413  # of a size that the headers around it could have
    assert left(path) == [path]
    score(served, path)
    refused = httpx.post(f"{served}{API}/queue/join", content=bytes(200_000))
    assert refused.text.startswith("The request has 0.2 MB; ")


def test_an_upload_of_unknown_length_is_refused(served: str) -> None:
    refused = httpx.post(f"{served}{API}/upload", content=iter([b"x"] * 3))
    assert (refused.status_code, refused.text.split(";")[0]) == (411, "The request does not say how long it is")


def test_no_more_uploads_are_kept_than_there_is_room_for() -> None:
    content = wav(5.0)  # 160 kB
    with demo(LoudnessModel(), SMALL._replace(kept=400_000)) as address:
        first = uploaded(address, content)
        uploaded(address, content[:-2])
        refused = upload(address, content)
        assert (refused.status_code, refused.text) == (
            503,
            "There are too many uploads here. Try again in some minutes.",
        )
        score(address, first)  # after which it is gone
        assert upload(address, content).status_code == 200


def test_defaults_are_those_of_the_documentation() -> None:
    assert LIMITS == (100_000_000, 2_000_000_000, 600.0, 120.0, 2, 8)


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"},
                                     {"Origin": "http://127.0.0.1:3000"}, {"Host": "evil.example:7860"},
                                     {"Host": "evil.example", "Origin": "http://evil.example"}])  # fmt: skip
@pytest.mark.parametrize("route", ["", "config", f"{API}/upload", f"{API}/queue/join", f"{API}/call/score"])
def test_other_pages_are_refused(served: str, route: str, headers: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        refused = httpx.request(method, f"{served}{route}", headers=headers)
        assert refused.status_code == (400 if "Host" in headers else 403)
    assert upload(served, wav(0.1), **headers).status_code in (400, 403)


def test_other_pages_may_not_even_ask_whether_they_may(served: str) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(f"{served}{API}/upload", headers=headers).headers


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_its_own_page_is_answered(served: str, name: str) -> None:
    host = served.removeprefix("http://").rstrip("/").replace("127.0.0.1", name)
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert httpx.get(served, headers=headers).status_code == 200
    answered = upload(served, wav(0.1), **headers)
    assert answered.status_code == 200
    score(served, answered.json()[0])


@pytest.mark.parametrize(
    ("route", "status"),
    [
        (f"{API}/file=/etc/passwd", 403),
        (f"{API}/file={Path(__file__)}", 403),
        (f"{API}/file=http://127.0.0.1:1/x", 404),
        (f"{API}/file=https://example.org/x", 404),
        (f"{API}/proxy=http://127.0.0.1:1/x", 404),
        (f"{API}/process_recording", 404),
        (f"{API}/run/score", 404),
        (f"{API}/vibe-code", 404),
        ("file=/etc/passwd", 404),
        ("monitoring", 403),
    ],
)
def test_nothing_but_the_page_is_given_out(served: str, route: str, status: int) -> None:
    assert httpx.get(f"{served}{route}").status_code == status
    assert "root:" not in httpx.get(f"{served}{route}").text


@pytest.mark.parametrize(
    "path", ["/etc/passwd", str(Path(__file__)), "http://127.0.0.1:1/x", "https://example.org/x"]
)
def test_only_uploads_are_scored(served: str, path: str) -> None:
    found = score(served, path)
    assert found.event == "error"
    if path.startswith("http"):
        assert found.reason == "An upload is expected; addresses are not fetched."


READER = MarkdownIt("commonmark", {"html": True})


@pytest.mark.parametrize("name", [name.replace("/", ":") for name in HOSTILE])
@pytest.mark.takes(1)
def test_names_of_files_are_text(served: str, name: str) -> None:
    folder = uploaded(served, wav(0.5)).parent  # Gradio takes some marks away from names; this does not count on it
    sound, broken = folder / f"{name}.wav", folder / f"{name}.flac"
    sound.write_bytes(wav(0.5))
    broken.write_bytes(b"no sound")
    notes = Seen(READER.render(score(served, sound).notes))
    assert notes.tags <= {"p", "ul", "li", "strong"}
    assert f"{shown(name)}.wav, 0.5 s" in notes.text
    reason = Seen(score(served, broken).reason)
    assert reason.tags == set()
    assert reason.text.startswith(f"{name}.flac: ")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_models_and_aspects_are_text(name: str) -> None:
    model = LoudnessModel()
    model.name, model.version, model.aspects = name, name, [name]  # type: ignore[misc]
    head = Seen(READER.render(_write_head(Scorer(model))))
    assert head.tags == {"h1", "p", "code"}
    assert f"(version {shown(name)}) predicts the mean rating for {shown(name)}, 0 to 1." in head.text


def loud(seconds: float) -> bytes:
    """A sound that the model hangs in."""
    content = bytearray(wav(seconds))
    content[44:46] = (32_767).to_bytes(2, "little")
    return bytes(content)


@pytest.mark.takes(3)
def test_a_request_that_hangs_ends_and_blocks_nobody() -> None:
    model = HangingModel()
    with demo(model, SMALL._replace(work=2.0)) as address:
        stuck = ask(address, path := uploaded(address, loud(1.0), "stuck.wav"))
        assert model.hangs.wait(20)
        assert score(address, uploaded(address, wav(1.0), "other.wav")).event == "complete"
        assert answer(address, stuck).reason.startswith("stuck.wav: not ready after 2 seconds, which is the most ")
        assert left(path) == []
        model.released.set()


def test_work_on_a_file_stops_when_its_time_is_over() -> None:
    """What was asked goes on until the next block is read, not until the end of the file."""

    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(wav(1.0))
        file.flush()
        with pytest.raises(UnusableAudioError, match="not ready after 2 minutes"):
            list(LimitedBlocks(Path(file.name), LIMITS, end=0.0))


@pytest.mark.takes(2)
def test_too_many_at_once_are_told_so() -> None:
    model = HangingModel()
    with demo(model, SMALL._replace(at_once=1)) as address:
        first = ask(address, uploaded(address, loud(1.0), "first.wav"))
        assert model.hangs.wait(20)
        second = ask(address, uploaded(address, wav(1.0), "second.wav"))
        third = {"data": [{"path": str(uploaded(address, wav(1.0))), "meta": {"_type": "gradio.FileData"}}]}
        refused = httpx.post(f"{address}{API}/call/score", json=third)
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith("Queue is full")
        model.released.set()
        assert answer(address, first).event == answer(address, second).event == "complete"


def test_at_the_end_nothing_is_left() -> None:
    with demo(LoudnessModel(), SMALL) as address:
        path = uploaded(address, wav(0.5))
        assert path.is_file()
        assert path.parents[1].stat().st_mode & 0o077 == 0  # nobody else on the machine looks in
    assert not path.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


SERVE = """
from datmos.scoring.scorer import Scorer
from datmos.sharing.demo.server import serve
from helpers.loudness import LoudnessModel
serve(Scorer(LoudnessModel()), None)
"""


@pytest.mark.e2e
@pytest.mark.takes(9)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_nor_when_it_is_interrupted_or_ended(ending: signal.Signals, tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        address = run.stdout.readline().split()[1]
        path = uploaded(address, wav(0.5))
        assert path.is_relative_to(tmp_path)
        assert path.is_file()
        run.send_signal(ending)
        try:
            assert run.wait(30) == 0
        finally:
            run.kill()  # else a demo that goes on is waited for, for ever
    assert list(tmp_path.glob("datmos-demo-*")) == []
