"""`datmos score`: rows for everything, in order, whole or not at all, and gone on with."""

import io
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from datmos.commands import main
from datmos.scoring import scorer
from datmos.scoring.runs import command
from datmos.scoring.runs.previous_rows import read_rows
from datmos.scoring.scorer import Scorer
from helpers.loudness import RATE, LoudnessModel, sound
from helpers.places import REPOSITORY
from helpers.score_command import datmos, rows, start

COLUMNS = [
    "path", "level", "level_std", "peak", "peak_std", "seconds", "distance", "percentile", "band_limit", "warnings",
    "model", "version", "hop_s", "bytes", "modified", "error",
]  # fmt: skip


def test_json_lines(model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert datmos("in/2.wav", "in") == 1
    printed = capsys.readouterr()
    found = rows(printed.out)
    assert [row["path"] for row in found] == ["in/2.wav", *clips]
    assert all(list(row) == COLUMNS for row in found)
    expected = Scorer(model).score("in/2.wav")
    assert found[0] == found[4]
    assert found[0]["level"] == pytest.approx(expected.mean["level"], abs=1e-5)
    assert found[0]["level_std"] == 0.5
    assert found[0]["seconds"] == 3.5
    assert (found[0]["model"], found[0]["version"], found[0]["error"]) == ("loudness", "1", None)
    assert found[3]["error"] == "empty file"
    assert found[3]["level"] is None
    assert "4 clips scored, 1 failed:\n  in/1b.wav: empty file" in printed.err
    assert datmos("in/0.wav") == 0


def test_every_kind_of_file_has_the_same_rows(
    model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out").mkdir()
    for name in ("out/a.jsonl", "out/a.csv", "out/a.parquet"):
        assert datmos(*clips, "--output", name, "--per-second") == 1
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.csv", "a.jsonl", "a.parquet"]
    tables = [pd.read_json("out/a.jsonl", lines=True), pd.read_csv("out/a.csv"), pd.read_parquet("out/a.parquet")]
    first = rows(Path("out/a.jsonl").read_text())[0]
    for table in tables:
        assert list(table) == [*COLUMNS, "timeline"]
        assert table["path"].tolist() == clips
        np.testing.assert_allclose(table["level"], tables[0]["level"])
    assert [len(line) if line is not None else 0 for line in tables[2]["timeline"]] == [2, 3, 0, 4]
    assert json.loads(tables[1]["timeline"][0]) == first["timeline"]
    assert list(first["timeline"][0]) == ["second", "level", "level_std", "peak", "peak_std"]
    capsys.readouterr()
    assert datmos(*clips, "--format", "csv", "--per-second") == 1
    assert capsys.readouterr().out == Path("out/a.csv").read_text()


def test_minima(model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    levels = [Scorer(model).score(name).mean for name in clips if name != "in/1b.wav"]
    low = f"level={(levels[0]['level'] + levels[1]['level']) / 2}"
    assert datmos(*clips, "--min", low) == 1  # a clip without a score is not known to pass
    assert [row["path"] for row in rows(capsys.readouterr().out)] == ["in/1.wav", "in/2.wav"]
    datmos(*clips, "--min", low, "--min", f"peak={levels[2]['peak'] - 1e-3}", "--output", "a.csv")
    assert pd.read_csv("a.csv")["path"].tolist() == ["in/2.wav"]
    assert "3 clips scored, 1 with at least level" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl", ".parquet"])
def test_lists(suffix: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame(
        {"path": ["2.wav", "in/0.wav"], "rating": [1, 2]}
    )  # beside the list; from the current folder
    path = Path("in/list").with_suffix(suffix)
    if suffix == ".txt":
        path.write_text("\n".join(table["path"]) + "\n\n")
    elif suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    assert datmos(str(path)) == 0
    found = rows(capsys.readouterr().out)
    assert [row["path"] for row in found] == ["2.wav", "in/0.wav"]
    assert [row["seconds"] for row in found] == [3.5, 1.5]


def test_a_list_on_standard_input(
    model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"in/2.wav\r\nin/0.wav\n")))
    assert datmos("-") == 0
    assert [row["path"] for row in rows(capsys.readouterr().out)] == ["in/2.wav", "in/0.wav"]


@pytest.mark.takes(3)
def test_names_as_find_print0_gives_them(clips: list[str]) -> None:
    Path("in/0.wav").rename("in/new\nline.wav")
    process = start("-", "--format", "jsonl")
    printed, errors = process.communicate("in/new\nline.wav\0in/1.wav\0in/2.wav\0")
    assert process.returncode == 0, errors
    assert [row["path"] for row in rows(printed)] == ["in/new\nline.wav", "in/1.wav", "in/2.wav"]
    assert "3 clips scored" in errors


@pytest.mark.parametrize("output", ["a.jsonl", "a.csv", "a.parquet"])
def test_a_bad_row_of_a_list_is_one_bad_row(
    output: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    long = "x" * 300 + ".wav"
    bad = [None, 7, ["in/0.wav"], "", "a\0b", "\ud800", long, os.fsdecode(b"\xff.wav")]
    paths = ["in/0.wav", *bad, "in/2.wav"]
    Path("l.jsonl").write_text("".join(json.dumps({"path": path}) + "\n" for path in paths))
    assert datmos("l.jsonl", "--output", output) == 1
    found = [row for row in read_rows(Path(output), output[2:]) if row is not None]
    last = r"\xff.wav" if output == "a.parquet" else bad[-1]
    expected = ["in/0.wav", "", "7", '["in/0.wav"]', "", "a\0b", r"\ud800", long, last, "in/2.wav"]
    if output == "a.csv":  # an empty cell is read as nothing, and such a row as damaged
        expected = [name for name in expected if name]
    assert [row["path"] for row in found] == expected
    assert [bool(row["error"]) for row in found] == [False, *[True] * (len(expected) - 2), False]
    errors = capsys.readouterr().err
    assert "2 clips scored, 8 failed" in errors
    assert "7: l.jsonl row 3: a path as text is expected, found 7" in errors
    assert datmos("l.jsonl", "in/1.wav", "--output", output, "--resume") == 1


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.takes(6)
def test_names_do_not_steer_the_terminal(kind: str, clips: list[str]) -> None:
    name = "in/\x1b]0;title\x07\u202e.wav"
    Path("in/0.wav").rename(name)
    ours, theirs = os.openpty()
    process = start(name, f"{name}.mp3", "--format", kind, stdout=theirs)
    os.close(theirs)
    shown = b""
    while b"No such file" not in shown:
        shown += os.read(ours, 10_000)
    errors = process.communicate()[1]
    os.close(ours)
    assert process.returncode == 1, errors
    for text in (shown.decode(), errors):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\u202e" not in text
    assert r"\x1b]0;title\x07\u202e.wav.mp3: No such file" in errors
    process = start(f"--colour={name}")  # argparse's own messages too
    assert "\x1b" not in process.communicate()[1]
    assert process.returncode == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_resume_scores_what_is_new_or_changed(
    name: str, model: LoudnessModel, clips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = scorer.FileBlocks
    monkeypatch.setattr(scorer, "FileBlocks", lambda path: asked.append(path.name) or read(path))
    assert datmos("in", "--output", name) == 1
    first = Path(name).read_bytes()
    asked.clear()
    assert datmos("in", "--output", name, "--resume") == 1
    assert asked == ["1b.wav"]  # what failed is tried again
    assert Path(name).read_bytes() == first
    soundfile.write("in/1.wav", sound(np.random.default_rng(1), 1.0), RATE)
    asked.clear()
    assert datmos("in/2.wav", "in/1.wav", "--output", name, "--resume") == 0
    assert asked == ["1.wav"]
    asked.clear()
    assert datmos("in/2.wav", "in/1.wav", "--output", name, "--resume", "--hop", "0.5") == 0
    assert sorted(asked) == ["1.wav", "2.wav"]  # other settings, other scores
    model.version = "2"
    asked.clear()
    datmos("in/2.wav", "--output", name, "--resume", "--hop", "0.5")
    assert asked == ["2.wav"]


def test_a_stopped_run_is_gone_on_with(
    model: LoudnessModel,
    clips: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert datmos("in", "--output", "whole.jsonl") == 1
    add, count = command.Partial.add, 0

    def stop(self: command.Partial, file: str, row: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        add(self, file, row)

    Path("a.jsonl").write_text("what was there before\n")
    monkeypatch.setattr(command.Partial, "add", stop)
    assert datmos("in", "--output", "a.jsonl") == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert Path("a.jsonl").read_text() == "what was there before\n"
    assert len(Path("a.jsonl.partial").read_text().splitlines()) == 2
    with Path("a.jsonl.partial").open("a") as file:
        file.write('{"path": "in/2.wa')  # as a kill leaves it
    assert datmos("in", "--output", "a.jsonl") == 1
    assert "left by a run that was stopped" in capsys.readouterr().err
    monkeypatch.setattr(command.Partial, "add", add)
    assert datmos("in", "--output", "a.jsonl", "--resume") == 1
    assert "2 of 4 clips were scored before" in capsys.readouterr().err
    assert Path("a.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
    assert not Path("a.jsonl.partial").exists()


@pytest.mark.parametrize(
    "name", ["two words.wav", "naïve-日本.wav", "a,b.wav", 'q"uote.wav', "new\nline.wav", b"\xff.wav"]
)
def test_odd_names(name: str | bytes, model: LoudnessModel, clips: list[str]) -> None:
    text = os.fsdecode(name)
    Path("in/0.wav").rename(text)
    for output in ("a.jsonl", "a.csv", "a.parquet"):
        assert datmos(text, "--output", output) == 0
        found = list(read_rows(Path(output), output[2:]))
        assert [row["path"] for row in found] == [
            text if output != "a.parquet" or isinstance(name, str) else r"\xff.wav"
        ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in", "--min", "levle=1"], "no such aspect; did you mean 'level'"),
        (["in", "--min", "level"], "ASPECT=SCORE is expected"),
        (["in", "--output", "a.xls"], "the suffix says no format"),
        (["in", "--resume"], "--resume: goes on with an --output"),
        (["in", "--format", "parquet"], "can't be printed"),
        (["in", "--hop", "2"], "at most a window"),
        (
            ["in", "--hop", "0.00001"],
            "hop_seconds: at least 0.01 s and at most a window, 1 s, is expected; got 1e",
        ),
        (["in", "--hop", "0"], "at least 0.01 s"),
        (["in", "--hop", "nan"], "at least 0.01 s"),
        (["in", "--min", "level=nan"], "--min level=nan: ASPECT=SCORE is expected"),
        (["in", "--min", "level=inf"], "--min level=inf: ASPECT=SCORE is expected"),
        (["in", "--batch-seconds", "inf"], "batch_seconds: a number above 0 is expected, got inf"),
        (["in", "--batch-seconds", "nan"], "batch_seconds: a number above 0 is expected, got nan"),
        (["in", "--workers", "0"], "workers: a number above 0 is expected, got 0"),
        (["empty"], "no audio file in this folder"),
        (["nothing.csv"], "nothing.csv: No such file"),
        (["wrong.csv"], "a column called 'path'"),
        (["wrong.jsonl"], "wrong.jsonl row 1: JSON is expected"),
        (["in", "--output", "in/0.wav/a.csv"], "in/0.wav"),
    ],
)
def test_what_is_wrong(
    arguments: list[str], words: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("wrong.csv").write_text("file\na.wav\n")
    Path("wrong.jsonl").write_text("a.wav\n")
    assert datmos(*arguments) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == ""


@pytest.mark.takes(3)
def test_every_hostile_file_gets_a_row(
    model: LoudnessModel, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert datmos(str(shared / "bad"), "--workers", "2") == 1
    found = {Path(row["path"]).name: row for row in rows(capsys.readouterr().out)}
    assert set(found) == {path.name for path in (shared / "bad").iterdir()} - {"README.md"}
    failed = {name for name, row in found.items() if row["error"]}
    assert failed == {
        "all_nan_float32.wav", "antiphase_stereo.wav", "header_claims_less.wav", "header_rate_zero.wav",
        "huge_float32.wav", "inf_float32.wav", "nan_float32.wav", "png.flac", "samples_0.wav", "samples_1.wav",
        "samples_743.wav", "silence.wav", "text.wav", "truncated.flac", "truncated_in_header.flac",
        "truncated_in_header.wav", "zero_byte.wav",
    }  # fmt: skip
    for name in set(found) - failed:
        assert found[name]["level"] > 0
    warned = {name for name, row in found.items() if any("nothing above" in text for text in row["warnings"])}
    assert warned == {"rate_8k.wav", "ulaw.wav", "long_30min.ogg"}
    assert found["long_30min.ogg"]["seconds"] == pytest.approx(1802.1, abs=0.1)


def test_which_model_is_taken_when_none_is_named(
    clips: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(command, "load", lambda name, *_: asked.append(name) or Scorer(LoudnessModel()))
    monkeypatch.setattr(sys, "argv", ["datmos", "score", "in/0.wav"])
    with pytest.raises(SystemExit):
        main.main()
    assert "There is none below data/models: `dvc repro` trains them" in capsys.readouterr().err
    Path("data/models/dat_source").mkdir(parents=True)
    main.main()
    assert "model: dat_source (the only one below data/models)" in capsys.readouterr().err
    Path("data/models/baseline").mkdir()
    with pytest.raises(SystemExit):
        main.main()
    assert "which one? There are baseline, dat_source" in capsys.readouterr().err
    shutil.copy(REPOSITORY / "params.yaml", "params.yaml")
    main.main()
    assert "model: data/models/baseline (evaluate.baseline of params.yaml)" in capsys.readouterr().err
    assert asked == ["dat_source", "baseline"]


@pytest.mark.takes(4)
def test_a_reader_may_leave(clips: list[str]) -> None:
    Path("many.txt").write_text("in/0.wav\n" * 5000)
    process = start("many.txt")
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["path"] == "in/0.wav"
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    errors = process.stderr.read()
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


@pytest.mark.takes(4)
def test_a_full_disk_behind_standard_output_is_one_message(clips: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        process = start("in/0.wav", stdout=full.fileno())
        errors = process.communicate()[1]
    assert process.returncode == 1
    assert "error: standard output: No space left on device" in errors


def test_a_run_that_is_stopped_before_its_first_row_promises_nothing(
    clips: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "load", stop)
    assert datmos("in", "--output", "out.csv") == 130
    assert capsys.readouterr().err == "\nstopped.\n"
    assert [path.name for path in Path().iterdir()] == ["in"]


@pytest.mark.takes(4)
def test_ctrl_c_ends_a_run_cleanly(clips: list[str]) -> None:
    for number in range(3000):
        Path(f"in/link{number}.wav").hardlink_to("in/2.wav")
    process, partial = start("in", "--output", "out.csv"), Path("out.csv.partial")
    while not (partial.exists() and partial.stat().st_size > 0):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopped. What was scored is in" in errors
    assert "Traceback" not in errors
    assert not Path("out.csv").exists()
