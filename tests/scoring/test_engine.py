"""Interrupting the engine: at any step of whoever asks for results, and in the middle of a long clip."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from datmos.audio.blocks import Blocks
from datmos.scoring.engine import Engine, Item, ScoringPlan
from helpers.loudness import RATE, LoudnessModel
from helpers.places import REPOSITORY

# Ctrl-C can strike after any step of the main thread; a tracer raises at each in turn
EVERY_STEP = """
import faulthandler
import sys
import numpy as np
sys.path.insert(0, sys.argv.pop(1))
from helpers.loudness import RATE, LoudnessModel
from datmos.scoring.scorer import Scorer

scorer, clip = Scorer(LoudnessModel()), np.random.default_rng(0).normal(0, 0.1, 100).astype(np.float32)
step = 0

def trace(frame, event, argument):
    global step
    if event in ("line", "return"):
        step += 1
        if step == strike:
            raise KeyboardInterrupt
    return trace

def interrupted():
    global step
    step, results = 0, scorer.stream([clip] * 5, RATE, workers=2)
    next(results)  # not while threads are started: Python's own steps there can't be interrupted cleanly
    sys.settrace(trace)
    try:
        for _ in results:
            pass
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
        results.close()
    return False

faulthandler.dump_traceback_later(60, exit=True)
strike = 1
while interrupted():
    strike += 1
print(strike)
"""


@pytest.mark.takes(4)
def test_an_interrupt_at_any_step_ends_it() -> None:
    command = [sys.executable, "-c", EVERY_STEP, str(REPOSITORY / "tests")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 20  # steps


def test_a_long_clip_is_left_where_it_is() -> None:
    blocks = 0

    def no_end() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal blocks
        noise = np.random.default_rng(0).normal(0, 0.1, (1, RATE)).astype(np.float32)
        while True:
            blocks += 1
            yield RATE, noise

    def items() -> Iterator[Item]:
        yield Item("short", lambda: Blocks([(RATE, np.ones((1, RATE), np.float32))]))
        yield Item("long", lambda: Blocks(no_end()))

    results = Engine(LoudnessModel(), ScoringPlan(2, 1, 2), None).run(items())
    assert next(results).path == "short"
    deadline = time.monotonic() + 30
    while blocks < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert blocks >= 5  # it is in the middle of the long clip
    closing = threading.Thread(target=results.close, daemon=True)
    closing.start()
    closing.join(timeout=30)
    assert not closing.is_alive()
    left = blocks
    time.sleep(0.3)  # in which a worker would decode on
    assert blocks == left
