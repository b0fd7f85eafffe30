"""Outputs that a person names: nothing else is touched, and two processes never share one."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datmos.core.errors import DatmosError
from datmos.core.files import replacing
from datmos.scoring.user_outputs import locked, output_file, output_folder, own_file


def folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years")


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (folder, "a folder"),
        (os.mkfifo, r"a named pipe \(FIFO\)"),
        (bind_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
    ],
)
def test_what_is_no_file_is_refused(
    make: Callable[[Path], None], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name has to be short
    make(Path("x"))
    before = os.lstat("x")  # a link's time of access changes when it is followed
    with pytest.raises(DatmosError, match=f"--output x: is {kind}; the name of a file"):
        output_file(Path("x"))
    after = os.lstat("x")
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)


def test_a_link_is_followed_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "link").symlink_to("target")  # which need not be there
    target = output_file(tmp_path / "link")
    assert target == tmp_path / "target"
    assert f"link: is a link; what is written is {target}" in capsys.readouterr().err
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_text() == "new"


@pytest.mark.parametrize("name", ["file/out.csv", "file/deep/out.csv"])
def test_a_file_where_a_folder_should_be(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for check in (output_file, output_folder):
        with pytest.raises(DatmosError, match=r"file is a file, where a folder is expected"):
            check(tmp_path / name)


def test_links_in_a_circle_and_names_that_are_too_long(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(DatmosError, match="circle: Too many levels of symbolic links"):
        output_file(tmp_path / "circle")
    with pytest.raises(DatmosError, match="File name too long"):
        output_file(tmp_path / ("x" * 300))


def test_a_folder_as_output(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert output_folder(tmp_path / "new") == tmp_path / "new"
    assert output_folder(tmp_path) == tmp_path
    with pytest.raises(DatmosError, match="is a file; the name of a folder is expected"):
        output_folder(tmp_path / "file")


@pytest.mark.parametrize("make", [folder, os.mkfifo, lambda path: path.symlink_to("victim")])
def test_a_name_of_datmos_own_that_is_taken(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    make(tmp_path / "own")
    with pytest.raises(DatmosError, match=r"own: is a (folder|named pipe \(FIFO\)|link); datmos needs this name"):
        own_file(tmp_path / "own")
    with (
        pytest.raises(DatmosError, match="datmos needs this name"),
        locked(tmp_path / "a.csv", tmp_path / "own"),
    ):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


HOLD = """
import sys
from pathlib import Path
from datmos.scoring.user_outputs import locked
with locked(Path("a.csv"), Path(".a.csv.lock")):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_kept_out_until_the_first_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = Path(".a.csv.lock")
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"locked\n"
        words = rf"a\.csv: another run writes it \(process {first.pid} on {socket.gethostname()}\). Wait"
        with pytest.raises(DatmosError, match=words), locked(Path("a.csv"), lock):
            pass
        first.send_signal(signal.SIGKILL)
    assert lock.exists()  # which nobody holds
    with locked(Path("a.csv"), lock):
        assert lock.read_text().split()[0] == str(os.getpid())
    assert not lock.exists()
