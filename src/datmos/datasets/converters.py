"""From the layouts of published rating corpora to ratings.csv, the table of the dataset kind `ratings`.

A new one is a function that returns such a table, and a line each of `CORPORA` and `READERS` in
`datmos.datasets.corpora`.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from datmos.core.errors import DatmosError, listing
from datmos.core.registry import find
from datmos.datasets.corpora import CORPORA, NISQA_ASPECTS, READERS

NISQA_SPLITS = {"TRAIN": "train", "VAL": "valid", "TEST": "eval"}
VOICEMOS_SPLITS = {"train": ("train", "TRAINSET"), "val": ("valid", "DEVSET"), "test": ("eval", "TESTSET")}


def convert(name: str, folder: Path) -> pd.DataFrame:
    """Read a corpus into the columns of ratings.csv, paths relative to ``folder``, sorted by path.

    Raises:
        DatmosError: the folder does not hold what the corpus should have.
    """
    if not folder.is_dir():
        raise DatmosError(f"{folder}: no such folder; {name} expects {CORPORA[name].expects}")
    table: pd.DataFrame = find(READERS, name)(folder)
    return table.sort_values("path", ignore_index=True)


def read_nisqa(folder: Path) -> pd.DataFrame:
    """Read the NISQA Corpus (Mittag et al., arXiv 2104.09494): five aspects of speech, rated 1 to 5.

    Its databases NISQA_TRAIN_*, NISQA_VAL_* and NISQA_TEST_* are the splits; the rest of their names (SIM, LIVE)
    is the source, the same in train and valid; a system is a condition of a test database.
    """
    path = folder / "NISQA_corpus_file.csv"
    table = _read_csv(path, ["db", "con", "filepath_deg", *NISQA_ASPECTS], CORPORA["nisqa"].expects)
    parts = table["db"].str.extract(r"^NISQA_(TRAIN|VAL|TEST)_(\w+)$")
    if (bad := parts[0].isna()).any():
        names = listing(sorted(set(table.loc[bad, "db"])))
        raise DatmosError(f"{path}: db {names}; NISQA_TRAIN_..., NISQA_VAL_... or NISQA_TEST_... is expected")
    split = parts[0].map(NISQA_SPLITS)
    clips = pd.DataFrame(
        {"path": table["filepath_deg"], "split": split, "category": "speech", "source": "NISQA_" + parts[1]}
    )
    clips["system"] = (table["db"] + "_c" + table["con"]).where(split == "eval", "")
    return clips.join(table[list(NISQA_ASPECTS)].rename(columns=NISQA_ASPECTS))


def read_voicemos(folder: Path) -> pd.DataFrame:
    """Read the main track of the VoiceMOS Challenge 2022 (BVCC; arXiv 2203.11389): naturalness, rated 1 to 5.

    All of its clips are synthesised. The system that made a clip is its source, too: what an adversary of source
    must not find is then the system, of which train clips have 175.
    """
    lists = folder / "DATA" if (folder / "DATA").is_dir() else folder
    tables = []
    for name, (split, ratings) in VOICEMOS_SPLITS.items():
        path = lists / "sets" / f"{name}_mos_list.txt"
        table = _read_lines(path, ["file", "MOS"], CORPORA["voicemos"].expects)
        single = _read_voicemos_ratings(lists / "sets" / ratings)
        table["MOS_ratings"] = [single.get(file, "") for file in table["file"]]
        tables.append(table.assign(split=split))
    clips = pd.concat(tables, ignore_index=True)
    systems = clips["file"].str.extract(r"^(\w+)-utt")[0]
    if (bad := systems.isna()).any():
        raise DatmosError(f"{lists}/sets: {listing(clips.loc[bad, 'file'])}; <system>-utt<ID>.wav is expected")
    inside = lists.relative_to(folder) / "wav"
    clips["path"] = [(inside / file).as_posix() for file in clips["file"]]
    clips["category"], clips["source"], clips["system"] = "speech", systems, systems
    return clips[["path", "split", "category", "source", "system", "MOS", "MOS_ratings"]]


def _read_voicemos_ratings(path: Path) -> dict[str, str]:
    """Single ratings by file, ";"-separated; none where the file is absent."""
    if not path.is_file():
        return {}
    table = _read_lines(path, ["system", "file", "rating", "ignored", "listener"], "")
    ratings: dict[str, str] = table.groupby("file")["rating"].agg(";".join).to_dict()
    return ratings


def _read_lines(path: Path, columns: list[str], expects: str) -> pd.DataFrame:
    """Read lines of comma-separated values without a header."""
    table = _read_text(path, expects, header=None)
    if table.shape[1] != len(columns):
        raise DatmosError(f"{path}: {table.shape[1]} values a line; {len(columns)} are expected: {columns}")
    return table.set_axis(columns, axis=1)


def _read_csv(path: Path, columns: list[str], expects: str) -> pd.DataFrame:
    table = _read_text(path, expects)
    if missing := [name for name in columns if name not in table.columns]:
        raise DatmosError(f"{path}: column '{missing[0]}' is missing; found {', '.join(table.columns)}")
    return table


def _read_text(path: Path, expects: str, **options: Any) -> pd.DataFrame:
    if not path.is_file():
        raise DatmosError(f"{path}: no such file; expected is {expects}")
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", **options)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DatmosError(f"{path}: not UTF-8 text of comma-separated values: {error}") from None
