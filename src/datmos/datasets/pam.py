"""PAM: 800 clips of eight text-to-audio and text-to-music systems and 200 real ones, as an evaluation set.

The audio is that of "PAM: Prompting Audio-Language Models for Audio Quality Assessment" (arXiv 2402.00282); the
ratings of four aspects, ten a clip, are published with Audiobox-Aesthetics (arXiv 2502.05139).
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from datmos.core.errors import DatmosError
from datmos.datasets.published import (
    PUBLISHED_ROOT,
    check_aspects,
    find_list,
    lay_out,
    read_annotations,
    score_columns,
)

LIST = "AES_PAM.jsonl"
CATEGORIES = {"audio": "sound", "music": "music"}  # folder above the system's


def read_pam(root: Path, aspects: list[str]) -> pd.DataFrame:
    """List the clips of PAM with their ratings, and find their audio below ``root``.

    Real recordings are a system in each category, ``real_sound`` and ``real_music``: as one they would be a mixture
    that no system of one category can be ranked against.

    Args:
        root: folder with AES_PAM.jsonl, at most two folders deep, and the audio, in any layout that keeps the clips
            of a system in a folder of its name.
        aspects: some of PQ, PC, CE, CU.

    Returns:
        What `datmos.datasets.ratings.read_ratings` does, all of the split eval.

    Raises:
        DatmosError: the list is absent or not as published, or an aspect is none of these.
    """
    check_aspects(aspects)
    path, rows = find_list(root, LIST), []
    for number, (name, ratings) in enumerate(read_annotations(path), start=1):
        inside = name.removeprefix(PUBLISHED_ROOT)
        folder, system, file = PurePosixPath(inside).parts[-3:]
        if folder not in CATEGORIES:
            raise DatmosError(
                f"{path}, line {number}: {name!r}; .../audio/<system>/<file> or .../music/... is expected"
            )
        category = CATEGORIES[folder]
        system = f"real_{category}" if system == "real" else system
        clip_id = f"{system}/{PurePosixPath(file).stem}"
        rows.append(
            {"clip_id": clip_id, "path": inside, "system": system, "category": category} | score_columns(ratings)
        )
    return lay_out(pd.DataFrame(rows).assign(split="eval", source="PAM"), root, aspects)
