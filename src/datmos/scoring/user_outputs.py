"""Files that a person names as output: nothing but that one file is touched, and two runs never share it."""

import errno
import fcntl
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datmos.core.errors import DatmosError, printable

KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
}
OWNER = re.compile(rb"(\d+ .*)?")  # what a lock holds: number of a process, and its machine
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without locks answer


def output_file(path: Path, option: str = "--output") -> Path:
    """Return the file that an output stands for: links are followed, and that is said on standard error.

    Raises:
        DatmosError: something is there that is not a regular file, or its folder is a file or can't be looked into.
    """
    return _target(path, option, "a file", "the name of a file, new or to be replaced,")


def output_folder(path: Path, option: str = "--output") -> Path:
    """Return the folder that an output stands for, as `output_file` does for a file.

    Raises:
        DatmosError: something is there that is not a folder, or the folder around it is none.
    """
    return _target(path, option, "a folder", "the name of a folder")


def kind_of(path: Path, follow: bool = True) -> str | None:
    """Say what is there: "a file", "a folder", "a device", ...; None if nothing is.

    Args:
        path: of it.
        follow: whether a link is followed; it is "a link" if not.

    Raises:
        OSError: it can't be looked at.
    """
    try:
        mode = path.stat(follow_symlinks=follow).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return KINDS.get(stat.S_IFMT(mode), "something unknown")


def own_file(path: Path) -> Path:
    """Return ``path``, a name that datmos itself gives to a file beside an output.

    Raises:
        DatmosError: something is there that datmos did not write: a link of either kind, a folder, a device, ...
    """
    kind = kind_of(path, follow=False)
    if kind == "a file" and path.stat().st_nlink > 1:
        kind = "a file with another name too (a hard link)"
    if kind not in (None, "a file"):
        raise DatmosError(f"{path}: is {kind}; datmos needs this name for a file of its own. Remove or rename it.")
    return path


def partial_of(output: Path) -> Path:
    """Return where the rows of an output are until all are there."""
    return output.with_name(f"{output.name}.partial")


def check_apart(output: Path, read: Iterable[str | Path], model: Path | None) -> None:
    """Refuse an output if writing it would touch what a run reads.

    Args:
        output: the file.
        read: clips and lists of the run.
        model: folder of the model in use, if it is one.

    Raises:
        DatmosError: the output, or a file that datmos makes beside it, is read by the run; or the output lies in
            the model's folder.
    """
    there = Path(os.path.realpath(output))
    for path in map(Path, map(os.path.realpath, read)):
        if path == there:
            raise DatmosError(f"--output {output}: is what is to be scored, or a list of it; name another file")
        hidden = path.parent == there.parent and path.name.startswith(f".{there.name}.")  # the lock, and unfinished
        if hidden or path == partial_of(there):
            raise DatmosError(
                f"--output {output}: {path} is what is to be scored, or a list of it, and datmos needs that name "
                "for a file of its own. Name another output."
            )
    if model is not None and there.is_relative_to(model.resolve()):
        raise DatmosError(f"--output {output}: lies in the folder of the model, {model}; name a file elsewhere")


@contextmanager
def locked(path: Path, lock: Path) -> Iterator[Callable[[], None]]:
    """Keep other runs from an output while this one writes it.

    The lock is the operating system's and ends with the process, however that ends; ``lock`` is the file that
    carries it, with the owner's process number in it for the other run's message. Gives a function that raises if
    the lock is no longer there: then somebody has put another folder, or a link to one, in the place of its folder.

    Args:
        path: the output.
        lock: a name of its own beside it.

    Raises:
        DatmosError: another run has it, or the file is not datmos' own; see also above.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    number = _acquire(path, lock)

    def check() -> None:
        if not _is_at(number, lock):
            raise DatmosError(
                f"{path}: its folder was moved or replaced since this run began. Nothing was written to the new "
                "one; what was scored is in the old one. Move it back, and go on with --resume."
            )

    try:
        os.ftruncate(number, 0)
        os.write(number, f"{os.getpid()} {socket.gethostname()}".encode())
        yield check
    finally:
        if _is_at(number, lock):
            lock.unlink(missing_ok=True)
        os.close(number)


def _acquire(path: Path, lock: Path) -> int:
    while True:
        own_file(lock)
        number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        if OWNER.fullmatch(os.pread(number, 1000, 0)) is None:
            os.close(number)
            raise DatmosError(f"{lock}: is no lock of datmos, which needs this name. Rename that file.")
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in NO_LOCKS:
                print(
                    f"{printable(str(path))}: this file system has no locks; see that no other run writes it",
                    file=sys.stderr,
                )
                return number
            owner = os.pread(number, 1000, 0).decode(errors="replace")
            os.close(number)
            raise _taken(path, owner) if isinstance(error, BlockingIOError) else error from None
        # the owner before may have removed the file between our opening and locking it
        if _is_at(number, lock):
            return number
        os.close(number)


def _is_at(number: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), lock.lstat())
    except OSError:
        return False


def _taken(path: Path, owner: str) -> DatmosError:
    process, _, host = owner.partition(" ")
    return DatmosError(
        f"{path}: another run writes it (process {process or 'unknown'} on {host or 'this machine'}). Wait until "
        "it ends, or stop it and go on with --resume, or name another output."
    )


def _target(path: Path, option: str, wanted: str, expected: str) -> Path:
    label = f"{option} {path}".lstrip()
    try:
        kind, real = kind_of(path), path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a name that is too long or holds NUL
        raise DatmosError(f"{label}: {getattr(error, 'strerror', None) or error}") from None
    if kind not in (None, wanted):
        raise DatmosError(f"{label}: is {kind}; {expected} is expected")
    around = next((folder for folder in real.parents if folder.exists()), real.parent)
    if not around.is_dir():
        raise DatmosError(f"{label}: {around} is {kind_of(around)}, where a folder is expected")
    if path.is_symlink():
        print(f"{printable(label)}: is a link; what is written is {printable(str(real))}", file=sys.stderr)
    return real
