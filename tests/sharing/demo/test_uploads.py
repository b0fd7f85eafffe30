"""Uploads: a folder of their own, and what is left of demos that were killed."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from datmos.audio.unusable import UnusableAudioError
from datmos.sharing.demo.uploads import MARK, PREFIX, Uploads, remove_leftovers, uploads_folder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def write(path: Path, age: float = 0.0) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("sound")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_an_upload_is_there_until_its_last_user_is_done(place: Path) -> None:
    uploads, path = Uploads(place), write(place / "a" / "clip.wav")
    with uploads.use(str(path)) as first:
        assert first == path
        with uploads.use(str(path)):
            pass
        assert path.is_file()
    assert not path.exists()


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/passwd", "link", "a", "absent"])
def test_what_is_no_upload_is_neither_read_nor_removed(name: str, place: Path) -> None:
    secret = write(place / "secret")
    uploads = Uploads(place / "uploads")
    write(uploads.folder / "clip.wav")
    (uploads.folder / "a").mkdir()
    (uploads.folder / "link").symlink_to(secret)
    with pytest.raises(UnusableAudioError, match="is no upload"), uploads.use(str(uploads.folder / name)):
        pass
    assert secret.is_file()


def test_uploads_that_nobody_asks_for_are_removed_but_none_in_use(place: Path) -> None:
    uploads = Uploads(place)
    young, old, used = (write(place / "a" / name, age) for name, age in (("x", 10.0), ("y", 90.0), ("z", 90.0)))
    with uploads.use(str(used)):
        uploads.sweep(60.0)
        assert (young.exists(), old.exists(), used.exists()) == (True, False, True)


def test_a_demo_leaves_the_folders_of_those_that_run_and_removes_those_of_the_dead(place: Path) -> None:
    dead, other, own = place / f"{PREFIX}dead", place / "elsewhere", place / f"{PREFIX}scores"
    for folder in (dead, other, own):  # the last is somebody's who likes this name
        write(folder / "clip.wav")
    (dead / MARK).touch()
    (other / MARK).touch()
    (place / f"{PREFIX}link").symlink_to(other)
    with uploads_folder() as running:
        path = write(running.folder / "clip.wav")
        remove_leftovers(age=60.0)
        assert dead.is_dir()  # it may be of one that is just starting
        remove_leftovers(age=0.0)
        assert path.is_file()
    assert sorted(one.name for one in place.iterdir()) == [f"{PREFIX}link", own.name, "elsewhere"]
    assert (other / "clip.wav").is_file()
    assert (own / "clip.wav").is_file()
