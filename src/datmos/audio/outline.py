"""What the headers of a file say about its end, which decoders do not tell.

Only headers are read; FLAC is searched for a second one. Sources: the published layouts of RIFF and its kin (WAV,
RF64, AIFF, W64), CAF and AU; RFC 3533 for Ogg; for MP3 the tags "Xing", "Info" and "VBRI" in the first frame.
"""

from io import FileIO
from typing import Literal, NamedTuple

from datmos.audio.unusable import UnusableAudioError

# what programs that write to a pipe put where the length should be: about one of these, or a round number
UNKNOWN = (2**31, 2**32, 2**63, 2**64)
ABOUT, ROUND = 2**13, 10**8
MOST_CHUNKS = 10_000  # real files have a dozen
OGG_HEADER = 27  # bytes of a page's header before its table of segments
FIRST, LAST = 2, 4  # flags: the first, the last page of a stream
FLAC = b"fLaC\x00\x00\x00\x22"  # the marker, and the header of the block that has to follow it
AT_ONCE = 2**20  # bytes that are searched at a time


class Outline(NamedTuple):
    """What headers say.

    Attributes:
        promise: how many times as long as what is there the sound should be; 1 if it is all there, or no one knows.
        unstated: the header says that no samples follow, and some do: it was written before them, and left so.
        chained: after the end of the sound another one begins, and FFmpeg hears it, libsndfile does not.
        followed: the same, and neither hears it.
        ended: the file has an end, as far as its format marks one.
    """

    promise: float = 1.0
    unstated: bool = False
    chained: bool = False
    followed: bool = False
    ended: bool = True


def read_outline(file: FileIO) -> Outline:
    """Read what a file's headers say; of a format that is none of these nothing.

    Raises:
        UnusableAudioError: it consists of more chunks than any recording.
    """
    start = _after_tags(file, 0)
    magic = _at(file, start, 4)
    if magic == b"OggS":
        return _of_ogg(file)
    if magic == b"fLaC":
        return Outline(chained=_holds(file, FLAC, start + 1))
    if magic == b".snd":
        return _of_au(file)
    if magic in KINDS:
        return _of_chunks(file, magic, KINDS[magic])
    if _is_frame(magic):
        return Outline(chained=_mp3_goes_on(file, start))
    return Outline()


class Kind(NamedTuple):
    """How the chunks of a kind of files are laid out.

    Attributes:
        first: where the first one begins.
        name: bytes of its name.
        size: bytes of its size, which come after.
        order: of these bytes.
        itself: bytes that the size counts before the content.
        align: chunks begin at multiples of this.
        samples: first letters of the name of the chunk that holds them.
    """

    first: int
    name: int
    size: int
    order: Literal["little", "big"]
    itself: int
    align: int
    samples: bytes


WAV = Kind(12, 4, 4, "little", 0, 2, b"data")
KINDS = {
    b"RIFF": WAV,
    b"RF64": WAV,
    b"RIFX": WAV._replace(order="big"),
    b"FORM": WAV._replace(order="big", samples=b"SSND"),
    b"caff": Kind(8, 4, 8, "big", 0, 1, b"data"),
    b"riff": Kind(40, 16, 8, "little", 24, 8, b"data"),
}


def _of_chunks(file: FileIO, magic: bytes, kind: Kind) -> Outline:
    end, place, large = file.seek(0, 2), kind.first, 0
    found = Outline()
    for _ in range(MOST_CHUNKS):
        content = place + kind.name + kind.size
        header = _at(file, place, kind.name + kind.size)
        if len(header) < kind.name + kind.size:
            return found
        if place > kind.first and header.startswith(magic):
            return found._replace(followed=True)
        size = int.from_bytes(header[kind.name :], kind.order) - kind.itself
        if header.startswith(b"ds64"):  # RF64: the size of its samples does not fit where others have it
            large = int.from_bytes(_at(file, content + 8, 8), kind.order)
        if header.startswith(kind.samples):
            size = large if large and size == 2**32 - 1 else size
            there = end - content
            if size <= 0 < there:
                return Outline(unstated=magic in (b"RIFF", b"RIFX"))
            found = Outline(promise=_promise(size, there))
        place = content + max(size, 0)
        place += -place % kind.align
    raise UnusableAudioError(f"consists of more than {MOST_CHUNKS} chunks")


def _of_au(file: FileIO) -> Outline:
    header = _at(file, 0, 12)
    start, size = (int.from_bytes(part, "big") for part in (header[4:8], header[8:12]))
    end = file.seek(0, 2)
    followed = size > 0 and _at(file, start + size, 4) == b".snd"
    return Outline(promise=_promise(size, end - start), followed=followed)


def _promise(promised: int, there: int) -> float:
    unknown = promised % ROUND == 0 or any(abs(promised - number) < ABOUT for number in UNKNOWN)
    return 1.0 if unknown or there <= 0 else max(1.0, promised / there)


def _of_ogg(file: FileIO) -> Outline:
    """Walk through the headers of the pages; stops where there is no further page."""
    end = file.seek(0, 2)
    place, chained, ended, begun = 0, False, False, False
    while place + OGG_HEADER <= end:
        header = _at(file, place, OGG_HEADER)
        if header[:4] != b"OggS":
            break
        flags, segments = header[5], header[26]
        length = OGG_HEADER + segments + sum(file.read(segments))
        if place + length > end:
            return Outline(chained=chained, ended=False)
        first = bool(flags & FIRST)  # streams that sound together all begin before any goes on
        chained = chained or (first and begun)
        begun = begun or not first
        ended = bool(flags & LAST)
        place += length
    return Outline(chained=chained, ended=ended)


def _mp3_goes_on(file: FileIO, start: int) -> bool:
    """Whether frames follow after the bytes that a tag in the first one counts; without a tag all are decoded."""
    frame = _at(file, start, 64)
    if (place := max(frame.find(b"Xing"), frame.find(b"Info"))) >= 0:
        flags, place = int.from_bytes(frame[place + 4 : place + 8], "big"), place + 8
        place += 4 if flags & 1 else 0  # the number of frames
        counted = frame[place : place + 4] if flags & 2 else b""
    elif (place := frame.find(b"VBRI")) >= 0:
        counted = frame[place + 10 : place + 14]
    else:
        return False
    if not (length := int.from_bytes(counted, "big")):
        return False
    after = start + length
    if _at(file, after, 3) == b"TAG":  # ID3v1
        after += 128
    return _is_frame(_at(file, _after_tags(file, after), 4))


def _after_tags(file: FileIO, place: int) -> int:
    """Return where the ID3v2 tag that begins at a place ends; the place itself if there is none."""
    header = _at(file, place, 10)
    if len(header) < 10 or header[:3] != b"ID3":
        return place
    size = sum((byte & 127) << shift for byte, shift in zip(header[6:10], (21, 14, 7, 0), strict=True))
    return place + 10 + size + (10 if header[5] & 16 else 0)


def _is_frame(header: bytes) -> bool:
    """Whether a frame of MPEG audio, layer 3, begins with these four bytes."""
    return len(header) == 4 and header[0] == 0xFF and header[1] & 0xE6 == 0xE2


def _holds(file: FileIO, marker: bytes, start: int) -> bool:
    file.seek(start)
    kept = b""
    while part := file.read(AT_ONCE):
        if marker in kept + part:
            return True
        kept = part[1 - len(marker) :]
    return False


def _at(file: FileIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
