"""Asking a served demo over HTTP, as its page and other programs do."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import soundfile

API = "gradio_api"


class Answer(NamedTuple):
    """What came of a request for a score."""

    event: str  # "complete", "error"
    data: Any

    @property
    def notes(self) -> str:
        """The text below the file."""
        return str(self.data[1])

    @property
    def reason(self) -> str:
        """Why there is no score, as HTML."""
        return str(self.data["error"])


def wav(seconds: float, rate: int = 16_000) -> bytes:
    """Noise."""
    file = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate))
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def upload(address: str, content: bytes, name: str = "clip.wav", **headers: str) -> httpx.Response:
    return httpx.post(f"{address}{API}/upload", files={"files": (name, content)}, headers=headers)


def uploaded(address: str, content: bytes, name: str = "clip.wav") -> Path:
    """Upload a file; returns where the server put it."""
    answer = upload(address, content, name)
    assert answer.status_code == 200, answer.text
    return Path(answer.json()[0])


def ask(address: str, path: Path | str) -> str:
    """Ask for a score; returns the number of the request."""
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    answer = httpx.post(f"{address}{API}/call/score", json={"data": [file]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["event_id"])


def answer(address: str, request: str) -> Answer:
    """Wait for what comes of a request."""
    event = ""
    with httpx.stream("GET", f"{address}{API}/call/score/{request}", timeout=60) as lines:
        for line in lines.iter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                event = value
            elif key == "data" and event in ("complete", "error"):
                return Answer(event, json.loads(value))
    raise AssertionError("the stream ended without an answer")


def score(address: str, path: Path | str) -> Answer:
    return answer(address, ask(address, path))
