"""One way to decode, whatever the format: libsndfile if it knows it, else FFmpeg."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from datmos.audio.ffmpeg import FfmpegSound, open_with_ffmpeg
from datmos.audio.libsndfile import SndfileSound, open_with_libsndfile
from datmos.audio.open_file import FileFacts, open_audio
from datmos.audio.outline import Outline, read_outline
from datmos.audio.unusable import NotOpenedError, UnusableAudioError, reasons

TOLERANCE = 0.1  # seconds that a header may promise too much: encoders fill up their last frame


Sound = SndfileSound | FfmpegSound


class OpenedSound(NamedTuple):
    """A sound, and the file that it is in."""

    sound: Sound
    facts: FileFacts
    outline: Outline


@contextmanager
def open_sound(path: Path) -> Iterator[OpenedSound]:
    """Open a file by its content.

    Raises:
        UnusableAudioError: not a readable file, or outside the limits; whatever is raised while it is decoded, in
            the block of the ``with``, becomes this too.
    """
    with open_audio(path) as (file, facts), reasons():
        outline = read_outline(file)
        try:
            with open_with_libsndfile(file, outline) as sound:
                yield OpenedSound(sound, facts, outline)
                return
        except NotOpenedError as error:
            reason = str(error)
        try:
            with open_with_ffmpeg(file, path.name) as other:
                if outline.chained:
                    other.seconds = None  # the header speaks of the first part
                yield OpenedSound(other, facts, outline)
        except NotOpenedError:
            raise UnusableAudioError(reason) from None  # libsndfile's words: most such files are broken wav or flac


def describe_shortfall(opened: OpenedSound, found: float) -> str | None:
    """Say that a file holds less than it promises, or more than was heard; None if it does not.

    Args:
        opened: after all of it was decoded.
        found: seconds that were decoded.
    """
    outline = opened.outline
    promised = max(opened.sound.promised or 0.0, found * outline.promise)
    if found < promised - TOLERANCE:
        return f"holds {found:.1f} of {promised:.1f} s: the file is cut off or damaged"
    if not outline.ended:
        return f"holds {found:.1f} s and no end: the file is cut off"
    if outline.followed:
        return f"goes on after {found:.1f} s: another file follows in it, which was not heard"
    return None
