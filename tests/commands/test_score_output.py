"""`datmos score --output`: nothing but that file is touched, two runs never share it, and a row is its file's."""

import json
import os
import time
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from datmos.scoring import scorer
from datmos.scoring.runs import command
from datmos.scoring.scorer import Scorer
from helpers.loudness import RATE, LoudnessModel, sound
from helpers.score_command import datmos, rows, start

FORMATS = ["jsonl", "csv", "parquet"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read for a score."""
    names: list[str] = []
    read = scorer.FileBlocks
    monkeypatch.setattr(scorer, "FileBlocks", lambda path: names.append(str(path)) or read(path))
    return names


@pytest.mark.parametrize("arguments", [["D", "--format", "csv"], ["d.jsonl"], ["d.jsonl", "--resume"]])
def test_a_folder_is_never_replaced(
    arguments: list[str], clips: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "load", lambda *_: pytest.fail("the model is loaded"))
    folder = Path(arguments[0])
    folder.mkdir()
    (folder / "thesis.tex").write_text("years")
    assert datmos("in", "--output", *arguments) == 1
    assert f"--output {folder}: is a folder; the name of a file" in capsys.readouterr().err
    assert (folder / "thesis.tex").read_text() == "years"
    assert sorted(path.name for path in Path().iterdir()) == [str(folder), "in"]


def test_a_link_stays_a_link(model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("real").mkdir()
    Path("out.csv").symlink_to("real/rows.csv")
    assert datmos("in/0.wav", "--output", "out.csv") == 0
    assert "out.csv: is a link; what is written is" in capsys.readouterr().err
    assert Path("out.csv").is_symlink()
    assert pd.read_csv("real/rows.csv")["path"].tolist() == ["in/0.wav"]
    assert [path.name for path in Path("real").iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("name", ["a.csv.partial", ".a.csv.lock"])
def test_a_link_with_a_name_of_datmos_own_is_not_written_through(
    name: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("victim").write_text("precious")
    Path(name).symlink_to("victim")
    assert datmos("in/0.wav", "--output", "a.csv", "--resume") == 1
    assert f"{name}: is a link; datmos needs this name" in capsys.readouterr().err
    assert Path("victim").read_text() == "precious"
    assert Path(name).is_symlink()
    assert not Path("a.csv").exists()


@pytest.mark.parametrize("output", ["in/0.wav", "list.csv"])
def test_what_is_to_be_scored_is_no_output(
    output: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.csv").write_text("path\nin/0.wav\n")
    before = Path(output).read_bytes()
    assert datmos("list.csv", "--output", output, "--format", "csv") == 1
    assert "is what is to be scored, or a list of it" in capsys.readouterr().err
    assert Path(output).read_bytes() == before


@pytest.mark.parametrize("name", ["a.csv.partial", ".a.csv.lock", ".a.csv.7.tmp", ".a.csv.partial.7.tmp"])
def test_a_clip_with_a_name_of_datmos_own_stays(
    name: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(before := Path("in/0.wav").read_bytes())
    assert datmos(name, "--output", "a.csv", "--resume") == 1
    said = capsys.readouterr().err
    assert "Rename that file" in said if name.endswith("lock") else "Name another output" in said
    assert datmos(name, "--output", "a.csv") == 1
    assert Path(name).read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == sorted([name, "in"])


@pytest.mark.parametrize("instead", ["link", "folder", "nothing"])
def test_what_is_put_in_the_place_of_the_folder_is_not_written_to(
    instead: str,
    model: LoudnessModel,
    clips: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("out").mkdir()
    Path("private").mkdir()
    Path("private/a.csv").write_text("precious")
    Path("private/.a.csv.lock").write_text("precious")
    add = command.Partial.add

    def swap(self: command.Partial, file: str, row: Any) -> None:
        add(self, file, row)
        if file.endswith("2.wav"):
            Path("out").rename("moved")
            if instead == "link":
                Path("out").symlink_to("private")
            elif instead == "folder":
                Path("private").rename("out")

    monkeypatch.setattr(command.Partial, "add", swap)
    assert datmos("in", "--output", "out/a.csv") == 1
    assert "its folder was moved or replaced" in capsys.readouterr().err
    private = Path("out" if instead == "folder" else "private")
    assert {path.name: path.read_text() for path in private.iterdir()} == dict.fromkeys(
        ["a.csv", ".a.csv.lock"], "precious"
    )
    if instead != "nothing":
        Path("out").rename("aside")
    Path("moved").rename("out")
    monkeypatch.setattr(command.Partial, "add", add)
    assert datmos("in", "--output", "out/a.csv", "--resume") == 1  # one clip is no audio
    assert "3 of 4 clips were scored before" in capsys.readouterr().err
    assert len(pd.read_csv("out/a.csv")) == 4


@pytest.mark.parametrize("name", ["a.csv.partial", ".a.csv.lock"])
def test_a_second_name_of_a_file_is_not_written_through(
    name: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("victim").write_text("precious")
    os.link("victim", name)
    assert datmos("in/0.wav", "--output", "a.csv", "--resume") == 1
    assert f"{name}: is a file with another name too (a hard link)" in capsys.readouterr().err
    assert Path("victim").read_text() == "precious"
    assert Path(name).stat().st_nlink == 2


def test_a_lock_that_is_somebodys_notes_is_left(
    model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".a.csv.lock").write_text("my notes\n")
    assert datmos("in/0.wav", "--output", "a.csv") == 1
    assert ".a.csv.lock: is no lock of datmos" in capsys.readouterr().err
    assert Path(".a.csv.lock").read_text() == "my notes\n"


@pytest.mark.parametrize("output", ["x/config.json", "x/scores.csv", "x/deep/scores.csv", "link/config.json"])
def test_the_model_in_use_is_no_output(
    output: str, model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x/deep").mkdir(parents=True)  # what --model names
    Path("link").symlink_to("x")
    Path("x/config.json").write_text("{}")
    assert datmos("in/0.wav", "--output", output, "--format", "csv") == 1
    assert "lies in the folder of the model, x" in capsys.readouterr().err
    assert [path.name for path in Path("x").rglob("*") if path.is_file()] == ["config.json"]
    assert Path("x/config.json").read_text() == "{}"


@pytest.mark.parametrize("kind", FORMATS)
def test_names_that_cannot_be_written_are_rows_like_others(
    kind: str, model: LoudnessModel, clips: list[str]
) -> None:
    lines = [
        r'{"path": "\ud800.wav"}',
        r'{"path": "a\u0000b"}',
        r'{"path": "\u001b[2J.wav"}',
        '{"path": "in/0.wav"}',
    ]
    Path("list.jsonl").write_text("\n".join(lines))
    assert datmos("list.jsonl", "--output", f"a.{kind}") == 1  # some failed
    assert sorted(path.name for path in Path().iterdir()) == [f"a.{kind}", "in", "list.jsonl"]
    if kind == "parquet":
        table = pd.read_parquet("a.parquet")
    else:
        table = pd.read_csv("a.csv") if kind == "csv" else pd.read_json("a.jsonl", lines=True)
    assert len(table) == 4
    assert table["error"].isna().tolist() == [False, False, False, True]


def test_a_wrong_option_leaves_nothing_to_go_on_with(model: LoudnessModel, clips: list[str]) -> None:
    assert datmos("in/0.wav", "--output", "a.csv", "--hop", "7") == 1
    assert datmos("in/0.wav", "--output", "a.csv") == 0


@pytest.mark.takes(3)
def test_two_runs_do_not_share_an_output(
    model: LoudnessModel, clips: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    process = start("-", "--output", "a.csv")  # which waits for its list
    try:
        while not Path(".a.csv.lock").exists() or not Path(".a.csv.lock").stat().st_size:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        for more in ([], ["--resume"]):
            assert datmos("in/0.wav", "--output", "a.csv", *more) == 1
            words = f"a.csv: another run writes it (process {process.pid} on "
            assert words in capsys.readouterr().err
    finally:
        process.kill()  # what it leaves blocks nobody
        process.communicate()
    assert datmos("in/0.wav", "--output", "a.csv") == 0
    assert sorted(path.name for path in Path().iterdir()) == ["a.csv", "in"]


@pytest.fixture
def two_lists(clips: list[str]) -> list[str]:
    """Two lists, each with an a.wav beside it: of one size and date, with other scores."""
    for number in (1, 2):
        Path(f"l{number}").mkdir()
        Path(f"l{number}/l.txt").write_text("a.wav\n")
        samples = number / 4 * sound(np.random.default_rng(0), 1.5)
        soundfile.write(f"l{number}/a.wav", samples, RATE, subtype="FLOAT")
        os.utime(f"l{number}/a.wav", (1e9, 1e9))
    assert Path("l1/a.wav").stat().st_size == Path("l2/a.wav").stat().st_size
    return ["l1/l.txt", "l2/l.txt"]


def levels(path: str) -> list[float]:
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}.get(path.rpartition(".")[2])
    table: Any = pd.read_json(path, lines=True) if read is None else read(path)
    assert set(table["path"]) == {"a.wav"}
    return list(table["level"])


@pytest.mark.parametrize("kind", FORMATS)
def test_one_name_in_two_lists_is_two_files(kind: str, model: LoudnessModel, two_lists: list[str]) -> None:
    expected = [Scorer(model).score(f"l{number}/a.wav").mean["level"] for number in (1, 2)]
    output = f"o.{kind}"
    assert datmos(*two_lists, "--output", output) == 0
    assert levels(output) == pytest.approx(expected, abs=1e-5)
    assert datmos(*two_lists, "--output", output, "--resume") == 0
    assert levels(output) == pytest.approx(expected, abs=1e-5)
    assert datmos(two_lists[1], "--output", output, "--resume") == 0
    assert levels(output) == pytest.approx(expected[1:], abs=1e-5)
    assert datmos(*reversed(two_lists), "--output", output, "--resume") == 0
    assert levels(output) == pytest.approx(expected[::-1], abs=1e-5)


def test_a_stopped_run_knows_which_file_a_row_is_of(
    model: LoudnessModel, two_lists: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = command.Partial.add

    def stop(self: command.Partial, file: str, row: Any) -> None:
        add(self, file, row)
        raise KeyboardInterrupt

    monkeypatch.setattr(command.Partial, "add", stop)
    assert datmos(*two_lists, "--output", "o.jsonl") == 130
    monkeypatch.setattr(command.Partial, "add", add)
    asked.clear()
    assert datmos(*reversed(two_lists), "--output", "o.jsonl", "--resume") == 0
    assert asked == ["l2/a.wav"]
    assert levels("o.jsonl") == pytest.approx(
        [Scorer(model).score(f"l{number}/a.wav").mean["level"] for number in (2, 1)], abs=1e-5
    )


def test_a_file_with_several_names_is_read_once(model: LoudnessModel, clips: list[str], asked: list[str]) -> None:
    Path("link.wav").symlink_to("in/0.wav")
    given = ["in/0.wav", "link.wav", "./in/0.wav", "in/0.wav"]
    assert datmos(*given, "--output", "o.jsonl") == 0
    assert asked == ["in/0.wav"]
    found = rows(Path("o.jsonl").read_text())
    assert [row.pop("path") for row in found] == given
    assert found == [found[0]] * 4
    asked.clear()
    assert datmos(*given, "--output", "o.jsonl", "--resume") == 0
    assert asked == []


def test_size_and_date_are_of_what_was_read(
    model: LoudnessModel, clips: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    size, other = Path("in/0.wav").stat().st_size, Path("in/2.wav").read_bytes()
    call = LoudnessModel.__call__

    def replaced(self: LoudnessModel, inputs: Any) -> Any:
        new = Path(f"{get_ident()}.wav")  # windows are scored side by side
        new.write_bytes(other)
        new.replace("in/0.wav")
        return call(self, inputs)

    monkeypatch.setattr(LoudnessModel, "__call__", replaced)
    assert datmos("in/0.wav", "--output", "o.jsonl") == 0
    monkeypatch.setattr(LoudnessModel, "__call__", call)
    assert rows(Path("o.jsonl").read_text())[0]["bytes"] == size
    asked.clear()
    assert datmos("in/0.wav", "--output", "o.jsonl", "--resume") == 0
    assert asked == ["in/0.wav"]
    assert rows(Path("o.jsonl").read_text())[0]["bytes"] == len(other)


@pytest.mark.parametrize("seconds", [-(10**9), 10**12])
def test_a_file_of_any_date(seconds: int, model: LoudnessModel, clips: list[str], asked: list[str]) -> None:
    os.utime("in/0.wav", (seconds, seconds))
    for more in ([], ["--resume"]):
        assert datmos("in/0.wav", "--output", "o.jsonl", *more) == 0
    assert asked == ["in/0.wav"]  # the second time it was known


def test_cells_of_any_length_are_read_back(
    model: LoudnessModel, clips: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time line of 18 minutes is longer than what Python's csv takes unless it is told to."""
    import csv

    before = csv.field_size_limit(100)
    try:
        for more in ([], ["--resume"]):
            assert datmos("in/2.wav", "--output", "o.csv", "--per-second", *more) == 0
    finally:
        csv.field_size_limit(before)
    assert len(json.loads(pd.read_csv("o.csv")["timeline"][0])) == 4
    assert asked == ["in/2.wav"]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def edit(old: bytes, new: bytes) -> Any:
    def edited(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new)

    return edited


DAMAGES = [
    *[(kind, lambda content: bytes(range(256)) * 20) for kind in FORMATS],
    *[(kind, lambda content: b'"\n' + content) for kind in ("jsonl", "csv")],
    ("parquet", cut),
    ("csv", cut),
    ("parquet", lambda content: content[:300] + bytes(200) + content[500:]),
    ("jsonl", lambda content: b"[" * 100_000 + b"\n" + content),
    ("jsonl", edit(b'"seconds": 1.5', b'"seconds": "long"')),
    ("jsonl", edit(b'"level": ', b'"level": true, "was": ')),
    ("jsonl", edit(b'"level_std": 0.5', b'"level_std": NaN')),
    ("jsonl", edit(b'"peak": ', b'"summit": ')),
    ("jsonl", edit(b'"path": "in/0.wav"', b'"path": ["in/0.wav"]')),
    ("jsonl", edit(b'"warnings": []', b'"warnings": 7')),
    ("csv", edit(b",1.5,", b",long,")),
    ("csv", edit(b"in/0.wav,", b"in/0.wav\n")),
    ("csv", edit(b"path,level,", b"path,summit,")),
]


@pytest.mark.parametrize(("kind", "damage"), DAMAGES)
@pytest.mark.parametrize("partial", [False, True])
def test_what_cannot_be_read_back_is_scored_again(
    kind: str,
    damage: Any,
    partial: bool,
    model: LoudnessModel,
    clips: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["in/0.wav", "in/1.wav", "--output", f"o.{kind}"]
    assert datmos(*given) == 0
    output = Path(f"o.{kind}")
    whole = output.read_bytes()
    damaged = Path(f"o.{kind}.partial") if partial else output
    damaged.write_bytes(damage(whole))
    if partial:
        output.unlink()
    capsys.readouterr()
    assert datmos(*given, "--resume") == 0
    assert output.read_bytes() == whole
    words = f"{damaged.name}: rows in it can't be read; the clips that lack a row are scored again\n"
    assert capsys.readouterr().err.count(words) == 1
    assert sorted(path.name for path in Path().iterdir()) == ["in", output.name]


def test_a_table_that_was_saved_with_other_columns_is_scored_again(
    model: LoudnessModel, clips: list[str], asked: list[str]
) -> None:
    assert datmos("in/0.wav", "--output", "o.parquet") == 0
    whole = Path("o.parquet").read_bytes()
    pd.read_parquet("o.parquet").drop(columns=["seconds", "warnings"]).to_parquet("o.parquet")
    assert datmos("in/0.wav", "--output", "o.parquet", "--resume") == 0
    assert Path("o.parquet").read_bytes() == whole
    assert len(asked) == 2
    assert datmos("in/0.wav", "--output", "o.csv", "--per-second") == 0
    asked.clear()
    assert datmos("in/0.wav", "--output", "o.csv", "--resume", "--hop", "1") == 0  # one column less
    assert asked == []
    assert "timeline" not in pd.read_csv("o.csv")
