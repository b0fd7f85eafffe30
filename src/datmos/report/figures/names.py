"""Names that come with the data, in pictures: matplotlib's own font has no Chinese, Japanese or Korean letters."""

from collections.abc import Iterable
from contextlib import suppress

import matplotlib
from matplotlib.font_manager import FontEntry, fontManager
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"
BOXES = "Last Resort"  # a font that draws a box for every letter


def prepare_names(names: Iterable[str]) -> dict[str, str]:
    """Let pictures that are drawn from now on use those installed fonts that names need.

    Returns:
        How each name stands in pictures: as it is, or, if no font has all its letters, as "no. 1", "no. 2", ...
    """
    names = sorted(set(names))
    regular = [font for font in fontManager.ttflist if (font.style, font.weight) == ("normal", 400)]
    lacking = set("".join(names)) - _letters(next(font for font in regular if font.name == OWN))
    families = []
    # fonts without serifs first; the order of the list is that of the disk
    for font in sorted(regular, key=lambda font: ("Sans" not in font.name, font.name)) if lacking else ():
        if not font.name.startswith(BOXES) and (found := lacking & _letters(font)):
            families.append(font.name)
            lacking -= found
    matplotlib.rcParams["font.family"] = [OWN, *families]
    strange = [name for name in names if lacking & set(name)]
    return {name: f"no. {strange.index(name) + 1}" if name in strange else name for name in names}


def _letters(font: FontEntry) -> set[str]:
    with suppress(OSError, RuntimeError):  # removed since matplotlib looked, or damaged
        return set(map(chr, FT2Font(font.fname).get_charmap()))
    return set()
