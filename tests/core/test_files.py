"""Writing: rounded, deterministic, never half done."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.core.files import remove_all_but, replacing, replacing_folder, write_csv, write_metrics, write_parquet


def test_metrics_are_rounded_and_nan_is_null(tmp_path: Path) -> None:
    write_metrics(
        tmp_path / "m.json", {"a": 1.2345678, "b": [np.float32(1 / 3), np.int64(2)], "c": float("nan"), 4: "x"}
    )
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": 1.2346, "b": [0.33333, 2], "c": None, "4": "x"}


def test_csv_is_rounded(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"n": [1], "x": [2 / 3]}))
    assert (tmp_path / "t.csv").read_bytes() == b"n,x\n1,0.66667\n"


def test_parquet_bytes_depend_on_rows_alone(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": ["x", "y", "z"], "b": [1.0, 2.0, 3.0]})
    write_parquet(tmp_path / "1.parquet", table)
    write_parquet(tmp_path / "2.parquet", pd.concat([table, table]).iloc[3:])  # another index
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years")


def test_a_folder_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("rows")
            folder(path)

    with pytest.raises(IsADirectoryError):
        write()
    assert (path / "thesis.tex").read_text() == "years"
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_leftovers_are_cleared_but_not_what_only_has_such_a_name(tmp_path: Path) -> None:
    (tmp_path / f".a.csv.{os.getpid()}.tmp").write_text("of a process before, which had this number")
    (tmp_path / ".a.csv.999999999.tmp").write_text("of a process that was killed")
    (tmp_path / ".a.csv.1.tmp").write_text("of a process that runs")
    folder(tmp_path / ".a.csv.999999998.tmp")
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".a.csv.999999997.tmp").symlink_to("victim")
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("rows")
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"a.csv", ".a.csv.1.tmp", ".a.csv.999999998.tmp", ".a.csv.999999997.tmp", "victim"}


def test_a_link_with_the_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f".a.csv.{os.getpid()}.tmp").symlink_to("victim")
    with pytest.raises(FileExistsError), replacing(tmp_path / "a.csv"):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("old", "new"):
        with replacing_folder(target) as temporary:
            (temporary / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("fails", ["while it is written", "when it is renamed"])
def test_a_failure_leaves_the_old_folder_and_nothing_else(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    folder(target)
    rename = Path.replace

    def refuse(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "replace", refuse)

    def fail() -> None:
        with replacing_folder(target) as temporary:
            (temporary / "half").touch()
            if fails == "while it is written":
                raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert (target / "thesis.tex").read_text() == "years"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_run_left_is_removed_even_if_it_had_this_number(tmp_path: Path) -> None:
    """In containers a process often has the number of the one before."""
    target = tmp_path / "out"
    for process in (os.getpid(), 2**22 + 1):  # no process has the second number
        folder(tmp_path / f".out.{process}.tmp")
    running = tmp_path / f".out.{os.getppid()}.tmp"
    running.mkdir()
    file = tmp_path / f".out.{2**22 + 2}.tmp"  # of that name alone
    file.touch()
    with replacing_folder(target):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([running, file, target])


def test_what_a_killed_run_of_somebody_else_left_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f".out.{2**22 + 1}.tmp"
    left.touch()
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == left:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with replacing(tmp_path / "out") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "out").read_text() == "new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_metrics(tmp_path / "m.json", {})
        write_csv(tmp_path / "t.csv", pd.DataFrame({"n": [1]}))
        write_parquet(tmp_path / "t.parquet", pd.DataFrame({"n": [1]}))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}


def test_files_of_names_that_are_gone_are_removed_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("kept.parquet", "gone.parquet", ".gitkeep"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    remove_all_but(tmp_path, ["kept", "not_there"])
    assert {path.name for path in tmp_path.iterdir()} == {"kept.parquet", ".gitkeep", "folder"}
    assert capsys.readouterr().out == f"removed {tmp_path}/gone.parquet: params.yaml has no 'gone' any more\n"
    remove_all_but(tmp_path / "nowhere", [])
