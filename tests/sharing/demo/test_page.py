"""The demo in a real browser, headless; and what is said where Gradio is missing."""

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

from datmos.core.errors import DatmosError
from datmos.scoring.scorer import load
from helpers.finished_run import write_models

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,1250",
)  # fmt: skip
PATIENCE = 90  # seconds, on a busy machine


def test_without_gradio_the_message_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    from datmos.sharing.demo.server import serving

    monkeypatch.setattr("datmos.scoring.extras.find_spec", lambda name: None)
    expected = r"gradio: not installed; in datmos' folder type `pip install -e '\.\[demo\]'`"
    with pytest.raises(DatmosError, match=expected), serving(None):  # type: ignore[arg-type]
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a demo with random weights."""
    pytest.importorskip("gradio", reason="the extra datmos[demo] is not installed")
    from datmos.sharing.demo.server import serving

    asked: list[Any] = []
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: asked.append(host) or look_up(host, *rest, **more)
    )
    write_models(tmp_path / "model", aspects=("PQ", "PC", "CE", "CU"))
    with serving(load(tmp_path / "model", "cpu")) as address:
        yield address
    assert set(asked) <= {"127.0.0.1", "localhost", "0.0.0.0", None}


@pytest.fixture
def browser() -> Iterator[Any]:
    """Debian's Chromium (packages chromium and chromium-driver)."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        yield opened
        opened.quit()


def wait_for(what: str, condition: Any) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not there after {PATIENCE} s")


def hosts(browser: Any) -> set[str | None]:
    """Whom the pages have asked for anything."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).hostname for url in urls if url.startswith(("http", "ws"))}


@pytest.mark.e2e
def test_a_file_dropped_shows_scores_time_line_and_spectrogram(served: str, browser: Any, tmp_path: Path) -> None:
    def find(selector: str) -> list[Any]:
        return list(browser.find_elements("css selector", selector))

    def message(selector: str, *words: str) -> bool:
        return any(all(word in one.text for word in words) for one in find(selector))

    sound, broken = tmp_path / "melody.flac", tmp_path / "broken.wav"
    seconds = np.arange(7 * 22_050) / 22_050
    soundfile.write(sound, 0.3 * np.sin(2 * np.pi * 440 * seconds), 22_050)
    broken.write_bytes(b"this is no sound")
    browser.get(served)
    (field,) = wait_for("the upload field", lambda: find("input[type=file]"))
    field.send_keys(str(sound))
    wait_for("the pictures", lambda: len(find("#aspects img")) == len(find("#time img")) == 1)
    wait_for("the notes", lambda: message("#notes", "melody.flac, 7.0 s", "validation clips"))
    for picture in find("#aspects img, #time img"):
        wait_for("a picture that was drawn", lambda one=picture: int(one.get_property("naturalWidth")) > 300)
    assert message("h1", "How would listeners rate it?")
    find("button[aria-label=Clear]")[0].click()
    (field,) = wait_for("the upload field", lambda: find("input[type=file]"))
    field.send_keys(str(broken))
    wait_for("the reason", lambda: message(".toast-wrap", "broken.wav", "can't be decoded"))
    assert not message(".toast-wrap", str(tmp_path))
    assert hosts(browser) == {"127.0.0.1"}
