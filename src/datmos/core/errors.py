"""The one exception whose message is meant for the person at the terminal."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from reprlib import Repr

BRIEF = Repr()
BRIEF.maxlevel, BRIEF.maxstring, BRIEF.maxother = 2, 200, 200


class DatmosError(Exception):
    """Wrong input or a wrong setting.

    The message says what is wrong, what was found, what is expected and what to do.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""


def listing(items: Iterable[str], separator: str = ", ", shown: int = 10) -> str:
    """Join the first ``shown`` items and say how many more there are."""
    items = list(items)
    more = [f"and {len(items) - shown} more"] if len(items) > shown else []
    return separator.join([*items[:shown], *more])


def brief(value: object) -> str:
    """Return what a value looks like, no matter how large it is: with YAML's aliases, a few bytes are gigabytes."""
    return BRIEF.repr(value)


def first_line(error: BaseException) -> str:
    """Return what an error says in a line, or else its name."""
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def printable(text: str) -> str:
    """Return text that is safe on a line of a terminal.

    Names come from other people: control characters (escape codes, line ends), characters that change the direction
    of writing, and bytes that are not UTF-8 are shown as escapes such as ``\\x1b``.
    """
    if text.isprintable():
        return text
    return "".join(letter if _is_plain(letter) else letter.encode("unicode_escape").decode() for letter in text)


def printable_lines(text: str) -> str:
    """Return `printable` text of several lines, whose line ends are meant."""
    return "\n".join(map(printable, text.split("\n")))


def printable_message(text: str) -> str:
    """Return an error's `printable` text, whose line ends are meant where the next line is indented."""
    return "\n".join(map(printable, re.split(r"\n(?=  )", text)))


def _is_plain(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"  # spaces of other scripts


def stage_item() -> str:
    """Return which of several a stage was started for.

    Its argument is "train@dat_source" by DVC, "dat_source" by hand. In dvc.yaml the argument is "$DVC_STAGE", which
    a shell never reads as a command, whatever somebody called it.
    """
    return sys.argv[1].rpartition("@")[2]


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's ``main``.

    A `DatmosError` becomes one message and exit status 1, without a traceback; Ctrl-C one line and status 130.
    """
    try:
        main()
    except DatmosError as error:
        print(f"\nerror: {printable_message(str(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        print(f"\nstopped. {stop}".rstrip(), file=sys.stderr)
        sys.exit(130)
