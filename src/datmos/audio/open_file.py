"""Opening the files that hold audio: regular files alone, by ourselves, so that no decoder ever sees a name."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from datmos.audio.unusable import UnusableAudioError, reasons

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe (FIFO)", stat.S_IFSOCK: "a socket"}


class FileFacts(NamedTuple):
    """What tells whether a file is still the one that was read."""

    bytes: int
    modified: str  # time of the last change: ISO 8601, UTC, to the microsecond


def file_facts(path: Path) -> FileFacts | None:
    """Return the facts of a file by its name; None if it is not there."""
    try:
        return _facts(path.stat())
    except (OSError, ValueError):  # ValueError: a name with NUL
        return None


@contextmanager
def open_audio(path: Path) -> Iterator[tuple[FileIO, FileFacts]]:
    """Open a regular file for reading; gives the file and its facts before anything is read.

    Raises:
        UnusableAudioError: it is not there, no regular file, empty, or can't be opened; or, when all was read, it
            has changed meanwhile.
    """
    with reasons():
        _check_kind(_look_at(path))
        # a FIFO put there since then does not make us wait, a terminal does not become ours
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    # without a buffer: libsndfile reads by number, and moves the place that a buffer believes to know
    with os.fdopen(number, "rb", buffering=0) as file:
        found = os.fstat(number)
        _check_kind(found)
        if found.st_size == 0:
            raise UnusableAudioError("empty file")
        yield file, _facts(found)
        if _facts(os.fstat(number)) != _facts(found):
            raise UnusableAudioError("changed while it was read")


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """See that a file which is read several times stays the same.

    Raises:
        UnusableAudioError: it is not there, is no regular file, or is another one at the end.
    """
    before = _look_at(path)
    _check_kind(before)
    yield
    after = _look_at(path)
    if (after.st_dev, after.st_ino, _facts(after)) != (before.st_dev, before.st_ino, _facts(before)):
        raise UnusableAudioError("changed while it was read")


def _look_at(path: Path) -> os.stat_result:
    with reasons():
        try:
            return path.stat()
        except ValueError:
            raise UnusableAudioError("no file can have this name: it holds a NUL character") from None


def _check_kind(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "a device")
        raise UnusableAudioError(f"is {kind}, not a file")


def _facts(found: os.stat_result) -> FileFacts:
    try:
        modified = EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
    except OverflowError:  # after the year 9999: any value that stays the same will do
        return FileFacts(found.st_size, f"{found.st_mtime_ns} ns")
    return FileFacts(found.st_size, modified.isoformat())
