"""The dress rehearsal: its stages are dvc.yaml's, its memory is that of all processes, and a kill is noticed."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.benchmark import load_benchmark
from helpers.places import REPOSITORY


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_benchmark("paper_size")


def test_stages_and_outputs_are_those_of_the_pipeline(script: ModuleType) -> None:
    written = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    before = {"corpus", "manifest", "embed", "set_manifest", "set_embed"}  # they make what is made up here
    assert set(script.STAGES) == set(written) - before - {"finetune_domains", "finetune", "published"}
    params = script.preset()
    stages = script.chosen_stages(params, [])
    assert [stage.item for stage in stages if stage.name == "train"] == list(params["strategies"])
    (baseline,) = script.chosen_stages(params, ["train@baseline"])
    assert baseline.outs == [
        Path(name) for name in ("data/models/baseline", "data/curves/baseline.csv",
                                "data/predictions/baseline.parquet", "data/h/baseline.npz")
    ]  # fmt: skip
    assert [stage.name for stage in script.chosen_stages(params, ["evaluate", "domains"])] == [
        "domains",
        "evaluate",
    ]


def test_embeddings_hold_a_weak_signal(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "DIMENSION", 64)
    generator = np.random.default_rng(0)
    clips = pd.DataFrame({"clip_id": [f"{n:03}" for n in range(200)], "source": "x", "system": ""})
    clips["PQ"] = generator.uniform(1, 10, 200)
    made = list(script.embeddings(clips, ["PQ"]))
    assert made[0]["0"].shape == (64, 499)
    assert made[0]["0"].dtype == np.float16
    np.testing.assert_allclose(made[0]["pooled"], made[0]["0"].astype(np.float64).mean(axis=1), atol=1e-3)
    direction = np.polyfit(clips["PQ"], np.stack([own["pooled"] for own in made]), 1)[0]
    found = np.corrcoef(np.stack([own["pooled"] for own in made]) @ direction, clips["PQ"])[0, 1]
    assert 0.5 < found < 0.99


def test_time_of_epochs_is_read_from_the_last_bar_of_every_group(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = "training x (1 to 5 of 6)", "training x (6 to 6 of 6)"
    bars = [(first, " 50%", "9:00<9:00"), (first, "100%", "1:00<0:01"), (first, "100%", "1:01<0:00"),
            (second, "100%", "1:00:02<00:00")]  # fmt: skip
    log = "".join(f"\r{name}: {share}|####| 9/9 [{clock}, 1.0s/batch]" for name, share, clock in bars)

    def start(project: Path, stage: object) -> subprocess.Popen[bytes]:
        (project / "train@x.log").write_text(log)
        return subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)

    monkeypatch.setattr(script, "start", start)
    run = script.measure(tmp_path, script.Stage("train", "x", []))
    assert run.epochs == 61 + 3602


def test_memory_is_that_of_all_processes(script: ModuleType) -> None:
    child = "import time; own = bytearray(b'x') * 2**27; print('ready', flush=True); time.sleep(60)"
    both = (
        f"import subprocess, sys; own = bytearray(b'x') * 2**27; subprocess.run([sys.executable, '-c', {child!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", both], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = script.session_memory(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
    assert 0.25 < found < 0.35


@pytest.mark.parametrize("careful", [True, False])
def test_a_kill_that_changes_the_bytes_is_noticed(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, careful: bool
) -> None:
    # what a run leaves behind is taken up by the next, rightly or not
    code = "import pathlib, sys, time; cache = pathlib.Path('cache'); found = cache.exists(); cache.write_text('');"
    code += "time.sleep(0.5); pathlib.Path('out').write_text('x' if careful else str(found)); cache.unlink()"

    def start(project: Path, stage: object) -> subprocess.Popen[bytes]:
        (project / "s.log").write_text("")
        program = code.replace("careful", str(careful))
        return subprocess.Popen([sys.executable, "-S", "-c", program], cwd=project, start_new_session=True)

    monkeypatch.setattr(script, "start", start)
    stage = script.Stage("s", "", [Path("out")])
    run = script.measure(tmp_path, stage)

    class Late(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return 0.7

    assert script.survives(tmp_path, stage, run.seconds, Late()) is careful
