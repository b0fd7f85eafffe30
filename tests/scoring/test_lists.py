"""Lists of other people and programs: one bad row is one bad row."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datmos.core.errors import DatmosError
from datmos.scoring.runs import lists
from datmos.scoring.runs.inputs import find_clips
from datmos.scoring.runs.lists import Entry, read_list, text_entries


def names(content: bytes, suffix: str = ".txt") -> list[str]:
    entries = text_entries(io.BytesIO(content), "list", suffix)
    assert [entry.problem for entry in entries] == [None] * len(entries)
    return [entry.name for entry in entries]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a.wav\nb c.wav\r\n\n d.wav", ["a.wav", "b c.wav", " d.wav"]),
        (b"a.wav\0new\nline.wav\0", ["a.wav", "new\nline.wav"]),  # find -print0
        (b"a.wav\0b.wav", ["a.wav", "b.wav"]),
        (b"\xef\xbb\xbfa.wav\n", ["a.wav"]),
        ("é.wav\n日.wav".encode("utf-16"), ["é.wav", "日.wav"]),
        ("é.wav\n".encode("utf-16-be").join([b"\xfe\xff", b""]), ["é.wav"]),
        ("é.wav\n".encode("utf-32"), ["é.wav"]),
        (b"\xff\xe9.wav\n", [os.fsdecode(b"\xff\xe9.wav")]),  # a name need not be UTF-8
        (b"odd\x85\x0bname\x1c.wav\n", [os.fsdecode(b"odd\x85\x0bname\x1c.wav")]),  # no ends of lines
        (b"", []),
    ],
)
def test_text(content: bytes, expected: list[str]) -> None:
    assert names(content) == expected


def test_a_nul_in_a_line_is_one_bad_line() -> None:
    found = text_entries(io.BytesIO(b"a.wav\nb\0.wav\nc.wav\n"), "list")
    assert [entry.name for entry in found] == ["a.wav", "b\0.wav", "c.wav"]
    assert [entry.problem for entry in found] == [
        None,
        "list entry 2: the path holds a NUL character, which no file's name has",
        None,
    ]


def test_a_line_that_is_no_path_is_cut_in_the_row() -> None:
    first, second = text_entries(io.BytesIO(b"x" * 10**6 + b"\na.wav\n"), "list")
    assert first == Entry("x" * 200 + "...", "list entry 1: 1000000 characters, which is too long for a path")
    assert second == Entry("a.wav")


BAD_JSON = [
    ("null", "", "a path as text is expected, found nothing"),
    ("7", "7", "a path as text is expected, found 7"),
    ('["a", "b"]', '["a", "b"]', 'a path as text is expected, found ["a", "b"]'),
    ('""', "", "the path is empty"),
    (r'"a\u0000b"', "a\0b", "the path holds a NUL character, which no file's name has"),
    (r'"\ud800"', r"\ud800", "the path holds half a character, which no file's name has"),
]


@pytest.mark.parametrize(("value", "shown", "problem"), BAD_JSON)
def test_json_lines(value: str, shown: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(f'{{"path": "a.wav"}}\n{{"path": {value}}}\n\n{{"path": "b.wav"}}\n')
    assert read_list(path) == [Entry("a.wav"), Entry(shown, f"{path} row 2: {problem}"), Entry("b.wav")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a.wav", "JSON is expected"),
        ("[" * 100_000, "JSON is expected"),
        ('{"file": "a.wav"}', "it has no 'path'"),
        ('"a.wav"', "it has no 'path'"),
    ],
)
def test_lines_that_are_no_rows(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(f'{line}\n{{"path": "b.wav"}}\n')
    bad, good = read_list(path)
    assert bad.problem == f"{path} row 1: {problem}"
    assert line.startswith(bad.name.removesuffix("..."))
    assert good == Entry("b.wav")
    path.write_text(f"{line}\n")
    with pytest.raises(DatmosError, match=f"in a column called 'path'. No row has one; .*{problem}"):
        read_list(path)


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text('id,path\n1,a.wav\n2\n3,"b\n.wav",more\n4,\n5,' + "x" * 200_000 + "\n")
    found = read_list(path)
    assert [entry.name for entry in found] == ["a.wav", "", "b\n.wav", "", "x" * 200 + "..."]
    assert [entry.problem for entry in found] == [
        None,
        f"{path} row 2: a path as text is expected, found nothing",
        None,
        f"{path} row 4: the path is empty",
        f"{path} row 5: 200000 characters, which is too long for a path",
    ]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a.wav", None, "b.wav"]),
        pa.array(["a.wav", None, "b.wav"]).dictionary_encode(),
        pa.array([b"a.wav", None, b"b.wav"]),
        pa.array(["a.wav", None, "b.wav"], pa.large_string()),
    ],
)
def test_parquet(column: pa.Array, tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    pq.write_table(pa.table({"path": column}), path)
    problem = f"{path} row 2: a path as text is expected, found nothing"
    assert read_list(path) == [Entry("a.wav"), Entry("", problem), Entry("b.wav")]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**50], pa.timestamp("ms")),
        pa.array([2**62], pa.timestamp("us")),
        pa.array([-(2**40)], pa.date64()),
        pa.array([2**62], pa.duration("s")),
    ],
)
def test_parquet_of_dates_that_no_calendar_has(column: pa.Array, tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": column}), tmp_path / "l.parquet")
    with pytest.raises(DatmosError, match=r"l\.parquet"):
        read_list(tmp_path / "l.parquet")


def test_lists_of_the_attack(shared: Path) -> None:
    bombs = shared / "faults/bombs"
    found = read_list(bombs / "nul.jsonl")
    assert any(entry.problem for entry in found)
    with pytest.raises(DatmosError, match=r"ts\.parquet"):
        read_list(bombs / "ts.parquet")


def test_parquet_with_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    raw = pa.array([b"a.wav", b"\xff.wav"]).view(pa.string())
    pq.write_table(pa.table({"path": raw}), tmp_path / "l.parquet")
    assert [entry.name for entry in read_list(tmp_path / "l.parquet")] == ["a.wav", os.fsdecode(b"\xff.wav")]


@pytest.mark.parametrize("column", [[1, 2], [None, None], [["a.wav"]], [{"a": 1}]])
def test_a_column_without_a_path_is_no_list(column: list[Any], tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": column}), tmp_path / "l.parquet")
    with pytest.raises(DatmosError, match=r"in a column called 'path'\. No row has one"):
        read_list(tmp_path / "l.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [("l.parquet", b"PAR1" + bytes(100) + b"PAR1"), ("l.parquet", b"path\n"), ("l.txt", b"\xff\xfea")],
)
def test_what_is_no_list_is_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatmosError, match=rf"{name}: "):
        read_list(tmp_path / name)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl", ".parquet"])
def test_a_pipe_is_not_opened(suffix: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"l{suffix}")
    with pytest.raises(DatmosError, match=r"is a named pipe \(FIFO\), where a list of clips is expected"):
        read_list(tmp_path / f"l{suffix}")
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    with pytest.raises(DatmosError, match="is a device"):
        read_list(tmp_path / f"device{suffix}")


def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LARGEST", 1000)
    with (
        Path("/dev/zero").open("rb") as endless,
        pytest.raises(DatmosError, match="a list of more than"),
    ):
        find_clips(["-"], endless)


def test_inputs_that_are_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.wav").touch()
    (empty,) = find_clips([""], None)  # not all that is here
    assert empty.problem == "the name is empty; a file, a folder or a list is expected"
    with pytest.raises(DatmosError, match="standard input: is closed"):
        find_clips(["-"], None)
    long = "x" * 300 + "/" + "y" * 300
    assert [clip.name for clip in find_clips([long, "a.wav"], None)] == [long, "a.wav"]
    Path("l.jsonl").write_text(json.dumps({"path": long}) + "\n")
    assert [clip.problem for clip in find_clips(["l.jsonl"], None)] == [None]  # the reader says what is wrong
