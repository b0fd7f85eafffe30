"""The pages of Ogg files (RFC 3533): what decoders do not tell."""

from io import FileIO
from typing import NamedTuple

HEADER = 27  # bytes of a page's header before its table of segments
FIRST, LAST = 2, 4  # flags: the first, the last page of a stream


class OggPages(NamedTuple):
    """What the pages of a file say.

    Attributes:
        chained: streams follow one another, as in recordings of web radio; libsndfile reads only the first.
        ended: the last page that is there says that it is the last.
    """

    chained: bool
    ended: bool


def read_pages(file: FileIO) -> OggPages | None:
    """Walk through the headers of a file's pages; stops where there is no further page. None: it is not Ogg."""
    file.seek(0)
    if file.read(4) != b"OggS":
        return None
    size = file.seek(0, 2)
    place, chained, ended, begun = 0, False, False, False
    while place + HEADER <= size:
        file.seek(place)
        header = file.read(HEADER)
        if header[:4] != b"OggS":
            break
        flags, segments = header[5], header[26]
        length = HEADER + segments + sum(file.read(segments))
        if place + length > size:
            return OggPages(chained, ended=False)
        first = bool(flags & FIRST)  # streams that sound together all begin before any goes on
        chained = chained or (first and begun)
        begun = begun or not first
        ended = bool(flags & LAST)
        place += length
    return OggPages(chained, ended)
