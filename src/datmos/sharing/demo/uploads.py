"""Where uploads lie: in a folder of their own, for no longer than they are needed."""

import fcntl
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread

from datmos.audio.unusable import UnusableAudioError

PREFIX = "datmos-demo-"
MARK = ".datmos-demo"  # a file in it: other folders of such a name are somebody's
YOUNG = 60.0  # seconds: a folder may belong to a demo that is just starting
FORGOTTEN = 1800.0  # seconds after which an upload that nobody asked to score is removed
SWEEP = 60.0  # seconds from one look to the next


class Uploads:
    """The uploads of one demo.

    Attributes:
        folder: that holds them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._lock, self._users = Lock(), Counter[Path]()

    @contextmanager
    def use(self, name: str) -> Iterator[Path]:
        """Yield an upload's path; when its last user is done, it is removed.

        Raises:
            UnusableAudioError: it is no upload, or is there no more.
        """
        path = Path(name).resolve()
        if not path.is_relative_to(self.folder) or not path.is_file():
            raise UnusableAudioError("is no upload, or was removed after it was scored; upload it again")
        with self._lock:
            self._users[path] += 1
        try:
            yield path
        finally:
            with self._lock:
                self._users[path] -= 1
                if not self._users[path]:
                    del self._users[path]
                    path.unlink(missing_ok=True)

    def sweep(self, age: float) -> None:
        """Remove files that have been there for ``age`` seconds, such as those of uploads that broke off."""
        for path in self.folder.rglob("*"):
            with suppress(OSError), self._lock:  # it may be gone by now
                if (
                    path.is_file()
                    and path.name != MARK
                    and path not in self._users
                    and time.time() - path.stat().st_mtime >= age
                ):
                    path.unlink()

    def size(self) -> int:
        """Return how many bytes all uploads have."""
        total = 0
        for path in self.folder.rglob("*"):
            with suppress(OSError):
                total += path.lstat().st_size
        return total


@contextmanager
def uploads_folder() -> Iterator[Uploads]:
    """Yield a new folder for uploads; at the end it is removed, with all in it.

    Before, folders of demos that were killed are removed. While a demo runs it holds a lock on its folder.
    """
    remove_leftovers(YOUNG)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / MARK).touch()
    (folder / "uploads").mkdir(0o700)
    uploads, ended = Uploads(folder / "uploads"), Event()
    with _locked(folder):
        Thread(target=_keep_clean, args=(uploads, ended), daemon=True).start()
        try:
            yield uploads
        finally:
            ended.set()
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(age: float) -> None:
    """Remove the folders of this user's demos that ended without doing so and are ``age`` seconds old."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # locked: its demo is running; or gone by now
            facts = folder.lstat()
            ours = facts.st_uid == os.getuid() and (folder / MARK).is_file()
            if ours and time.time() - facts.st_mtime >= age:
                with _locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _keep_clean(uploads: Uploads, ended: Event) -> None:
    while not ended.wait(SWEEP):
        uploads.sweep(FORGOTTEN)
