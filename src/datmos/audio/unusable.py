"""Audio that can't be used: the reason, for the person who owns it."""

from collections.abc import Iterator
from contextlib import contextmanager

from datmos.core.errors import first_line


class UnusableAudioError(Exception):
    """A file that can't be used; the message is the reason shown in data/excluded.csv and in rows of scores."""


class NotOpenedError(Exception):
    """A decoder does not know the format; the message says so in its words."""


@contextmanager
def reasons() -> Iterator[None]:
    """Make whatever a decoder raises the reason of this clip.

    Decoders meet data that nobody has checked, and no list of what they raise is complete: a damaged file made them
    raise AttributeError, TypeError, UnicodeDecodeError and MemoryError.
    """
    try:
        yield
    except (UnusableAudioError, NotOpenedError):
        raise
    except MemoryError:
        raise UnusableAudioError("can't be decoded: not enough memory") from None
    except OSError as error:
        raise UnusableAudioError(error.strerror or str(error)) from None
    except Exception as error:
        raise UnusableAudioError(f"can't be decoded: {first_line(error)}") from None
