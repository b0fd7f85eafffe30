"""What `datmos score` was given, as a list of clips: files, folders, and lists of files."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from datmos.core.errors import DatmosError, listing
from datmos.datasets.audio_finder import audio_below

LISTS = (".txt", ".csv", ".jsonl", ".parquet")


class ListedClip(NamedTuple):
    """A clip to score."""

    name: str  # as it was given; below a folder, with the folder
    path: Path


def find_clips(inputs: Sequence[str], stdin: TextIO) -> list[ListedClip]:
    """Return the clips of all inputs, in their order.

    Args:
        inputs: each a file; a folder, of which all audio files are taken, also those in folders inside; a list with
            a path a line (.txt) or in a column ``path`` (.csv, .jsonl, .parquet); or ``-`` for a list of lines on
            ``stdin``. A path in a list is looked for beside the list, then from the current folder.
        stdin: where ``-`` is read from.

    Raises:
        DatmosError: a list can't be read, or a folder or everything is empty. A file that is not there is no error
            here: it is a clip that can't be scored.
    """
    clips: list[ListedClip] = []
    for given in inputs:
        path = Path(given)
        if given == "-":
            clips += (ListedClip(name, Path(name)) for name in _lines(stdin))
        elif path.is_dir():
            clips += _in_folder(path)
        elif path.suffix.lower() in LISTS:
            clips += _in_list(path)
        else:
            clips.append(ListedClip(given, path))
    if not clips:
        raise DatmosError(f"nothing to score: {listing(inputs)} names no clip")
    return clips


def _in_folder(folder: Path) -> list[ListedClip]:
    found = [ListedClip(str(folder / name), folder / name) for name in audio_below(folder)]
    if not found:
        raise DatmosError(f"{folder}: no audio file in this folder, by its extension; name the files themselves")
    return found


def _in_list(path: Path) -> list[ListedClip]:
    try:
        names = list(_names(path))
    except OSError as error:
        raise DatmosError(f"{path}: {error.strerror or error}") from None
    except (KeyError, TypeError):
        raise DatmosError(f"{path}: every clip needs its path, in a column called 'path'") from None
    except (ValueError, csv.Error) as error:
        raise DatmosError(f"{path}: can't be read as a {path.suffix} list of clips ({error})") from None
    return locate(names, path.parent)


def locate(names: Sequence[str], folder: Path, here: Path = Path()) -> list[ListedClip]:
    """Look for each path of a list beside it, in ``folder``, then from ``here``."""
    beside = [folder / name for name in names]
    return [
        ListedClip(name, near if near.exists() else here / name) for name, near in zip(names, beside, strict=True)
    ]


def _names(path: Path) -> Iterator[str]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        yield from pq.read_table(path, columns=["path"]).column("path").to_pylist()
        return
    with path.open(
        encoding="utf-8-sig", errors="surrogateescape", newline="" if suffix == ".csv" else None
    ) as file:
        if suffix == ".csv":
            yield from (row["path"] for row in csv.DictReader(file))
        elif suffix == ".jsonl":
            yield from (json.loads(line)["path"] for line in _lines(file))
        else:
            yield from _lines(file)


def _lines(file: Iterable[str]) -> Iterator[str]:
    """Yield lines that hold anything."""
    for line in file:
        if text := line.rstrip("\r\n"):
            yield text
