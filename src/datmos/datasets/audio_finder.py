"""Finding the audio of published lists, whatever the layout of the folder that holds it."""

import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from datmos.core.errors import listing, printable

EXTENSIONS = frozenset(
    {
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".au",
        ".caf",
        ".flac",
        ".g722",
        ".m4a",
        ".mka",
        ".mp2",
        ".mp3",
        ".mp4",
    }
    | {".oga", ".ogg", ".opus", ".w64", ".wav", ".weba", ".webm", ".wma", ".wv"}
)
STORED = re.compile(  # files of stores that name them by their content: DVC, Hugging Face hub, git-annex
    r".*/([0-9a-f]{2}/[0-9a-f]{30}|blobs/[0-9a-f]{40,64}|\.git/annex/objects/.+)", re.DOTALL
)


def audio_below(root: Path) -> Iterator[PurePosixPath]:
    """Yield the audio files below a folder, relative to it; hidden ones are left out.

    Links to folders are followed, after the folders that are really there; no folder is looked into twice, whatever
    links lead to it.
    """
    seen: set[str] = set()
    starts = [str(root)]
    for start in starts:  # which grows
        for folder, folders, files in os.walk(start, onerror=_tell):
            here = os.path.realpath(folder)
            names = [] if here in seen else sorted(name for name in folders if not name.startswith("."))
            folders[:] = [name for name in names if not Path(folder, name).is_symlink()]
            if here in seen:
                continue
            seen.add(here)
            starts += [str(Path(folder, name)) for name in names if name not in folders]
            inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
            for name in sorted(files):
                if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                    yield inside / name


def _tell(error: OSError) -> None:
    print(f"{printable(str(error.filename))}: not searched for audio: {error.strerror}", file=sys.stderr)


def leaves(root: Path, name: str) -> bool:
    """Tell whether a path below a folder leads out of it by a link.

    Links to other places in the folder do not, nor do links into a store of files by their content (DVC, git-annex,
    the cache of the Hugging Face hub), which these programs make; ``root`` itself may be a link.
    """
    try:
        inside, real = Path(os.path.realpath(root)), Path(os.path.realpath(root / name))
    except ValueError:  # a name with NUL: there can be no such file
        return False
    return not real.is_relative_to(inside) and not STORED.fullmatch(real.as_posix())


class AudioFinder:
    """Audio files below a folder, by name: any extension, upper or lower case alike.

    Args:
        root: searched once, as `audio_below` does.
    """

    def __init__(self, root: Path) -> None:
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in audio_below(root):
            for key in {Path(path.name).stem.lower(), path.name.lower()}:
                self._by_name[key].append(path)

    def named(self, name: str) -> list[str]:
        """Return files whose name, with or without its extension, is ``name``, relative to the root."""
        return [str(path) for path in self._by_name.get(name.lower(), [])]

    def ending_in(self, parts: Sequence[str]) -> list[str]:
        """Return files whose path without its extension ends in ``parts`` (lower case), relative to the root."""
        found = self._by_name.get(parts[-1], [])
        return [str(path) for path in found if _parts(str(path))[-len(parts) :] == tuple(parts)]


def find_clips(finder: AudioFinder, names: Sequence[str], paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Find every clip of a list: by its name alone (a flat folder), else by the end of its published path.

    Of a published path as much is compared as tells it from all others of the list: of ``MUSDB18/test/A/bass.wav``
    song and file, of ``EARS/p001/x.wav`` person and file.

    Args:
        finder: of the audio folder.
        names: of the clips.
        paths: where they were published, ``/``-separated.

    Returns:
        For each clip its file, relative to the folder, or ""; and why it has none, or "".
    """
    split = [_parts(path) for path in paths]
    lengths = _telling_lengths(split)
    files, reasons = [], []
    for name, parts, length in zip(names, split, lengths, strict=True):
        found = finder.named(name) or finder.ending_in(parts[-length:])
        files.append(found[0] if len(found) == 1 else "")
        reasons.append("" if len(found) == 1 else _why(found, name, parts[-length:]))
    return files, reasons


def _why(found: list[str], name: str, parts: Sequence[str]) -> str:
    if found:
        return f"found {len(found)} times: {listing(found, shown=3)}; keep one"
    return f"not found: no audio file named {name}, and none whose path ends in {'/'.join(parts)}"


def _parts(path: str) -> tuple[str, ...]:
    """Folders and name, lower case and without extension."""
    pure = PurePosixPath(path.lower())
    name = pure.stem if pure.suffix in EXTENSIONS else pure.name
    return tuple(part for part in (*pure.parent.parts, name) if part not in ("/", "."))


def _telling_lengths(paths: Iterable[tuple[str, ...]]) -> list[int]:
    """How many of its last parts tell each path from the others."""
    paths = list(paths)
    counts = Counter(path[-length:] for path in paths for length in range(1, len(path) + 1))
    return [
        next((length for length in range(1, len(path) + 1) if counts[path[-length:]] == 1), len(path))
        for path in paths
    ]
