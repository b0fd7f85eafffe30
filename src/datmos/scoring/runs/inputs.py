"""What `datmos score` was given, as a list of clips: files, folders, and lists of files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from datmos.core.errors import DatmosError, listing
from datmos.datasets.audio_finder import audio_below
from datmos.scoring.runs.lists import LISTS, Entry, read_list, text_entries


class ListedClip(NamedTuple):
    """A clip to score.

    Attributes:
        name: as it was given; below a folder, with the folder.
        path: of the file.
        problem: why there can be no file: a row of a list that has no path. Then ``path`` means nothing.
    """

    name: str
    path: Path
    problem: str | None = None

    @property
    def identity(self) -> str:
        """What tells the clip from others: not its name, which two lists may give to two files, but its file."""
        return self.problem or os.path.realpath(self.path)


def find_clips(inputs: Sequence[str], stdin: BinaryIO | None) -> list[ListedClip]:
    """Return the clips of all inputs, in their order.

    Args:
        inputs: each a file; a folder, of which all audio files are taken, also those in folders inside; a list with
            a path a line (.txt) or in a column ``path`` (.csv, .jsonl, .parquet); or ``-`` for a list of lines on
            ``stdin``. Instead of lines there may be names that end with NUL, as ``find -print0`` prints them. A
            path in a list is looked for beside the list, then from the current folder.
        stdin: where ``-`` is read from.

    Raises:
        DatmosError: a list can't be read, or a folder or everything is empty. A file that is not there, and a row
            of a list without a path, is no error here: it is a clip that can't be scored.
    """
    clips: list[ListedClip] = []
    for given in inputs:
        path = Path(given)
        if given == "-":
            clips += locate(_read_stdin(stdin), Path())
        elif not given:
            clips.append(ListedClip("", path, "the name is empty; a file, a folder or a list is expected"))
        elif _exists(path) and path.is_dir():
            clips += _in_folder(path)
        elif path.suffix.lower() in LISTS:
            clips += locate(read_list(path), path.parent)
        else:
            clips.append(ListedClip(given, path))
    if not clips:
        raise DatmosError(f"nothing to score: {listing(inputs)} names no clip")
    return clips


def by_file(clips: Sequence[ListedClip], identities: Sequence[str]) -> dict[str, list[ListedClip]]:
    """Put clips together that are one file, in the order of the files' first clips."""
    found: dict[str, list[ListedClip]] = {}
    for clip, identity in zip(clips, identities, strict=True):
        found.setdefault(identity, []).append(clip)
    return found


def locate(entries: Sequence[Entry], folder: Path, here: Path = Path()) -> list[ListedClip]:
    """Look for each path of a list beside it, in ``folder``, then from ``here``."""
    return [_locate(entry, folder, here) for entry in entries]


def _locate(entry: Entry, folder: Path, here: Path) -> ListedClip:
    if entry.problem is not None:
        return ListedClip(entry.name, here, entry.problem)
    near = folder / entry.name
    return ListedClip(entry.name, near if _exists(near) else here / entry.name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that can't be looked into
        return False


def _in_folder(folder: Path) -> list[ListedClip]:
    found = [ListedClip(str(folder / name), folder / name) for name in audio_below(folder)]
    if not found:
        raise DatmosError(f"{folder}: no audio file in this folder, by its extension; name the files themselves")
    return found


def _read_stdin(stdin: BinaryIO | None) -> list[Entry]:
    if stdin is None:
        raise DatmosError("standard input: is closed; `-` reads a list of clips from it")
    try:
        return text_entries(stdin, "standard input")
    except (ValueError, OSError) as error:
        raise DatmosError(f"standard input: can't be read as a list of clips ({error})") from None
