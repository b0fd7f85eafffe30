"""Tables of ratings as people have them: read rightly, or refused in words that help."""

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.datasets.checks import rating_problems
from datmos.datasets.ratings import read_ratings

GOOD = """path,split,category,source,system,PQ,CE
a/0.wav,train,speech,A,,3.5,1
a/1.wav,train,speech,A,,2.25,4
a/2.wav,valid,speech,A,,2,2
b/3.wav,eval,music,gen,sys1,1.5,3
"""


def read(folder: Path, text: str) -> pd.DataFrame:
    for name in ("a/0.wav", "a/1.wav", "a/2.wav", "b/3.wav"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "ratings.csv").write_bytes(text.encode())
    return read_ratings(folder / "ratings.csv", ["PQ", "CE"])


HEADER, *ROWS = GOOD.splitlines()
GERMAN = "\n".join([HEADER.replace(",", ";"), *(row.replace(",", ";").replace(".25", ",25").replace("3.5", "3,5")
                                                for row in ROWS)])  # fmt: skip
WAYS = {
    "German Excel": ("\ufeff" + GERMAN.replace("\n", "\r\n"), "cells are separated by semicolons"),
    "tabs": (GOOD.replace(",", "\t"), "cells are separated by tabs"),
    "backslashes": (GOOD.replace("/", "\\"), r"4 paths are read as files that are there under another spelling"),
    "spaces around names": (GOOD.replace(",A,,", ", A ,,", 1), "column source: white space around 1 names"),
    "spaces around paths": (GOOD.replace("a/0.wav", " a/0.wav "), "1 paths are read as files"),
    "an empty last cell": (GOOD.replace("\n", ",\n").replace("CE,\n", "CE\n"), ""),
    "an empty last column": (GOOD.replace("\n", ",\n"), ""),
    "empty lines": (GOOD.replace("\n", "\n,,,,,,\n\n"), ""),
    "line ends of Windows": (GOOD.replace("\n", "\r\n"), ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_read_as_it_is_meant_and_that_is_said_once(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good").mkdir()
    expected = read(tmp_path / "good", GOOD)
    (tmp_path / "other").mkdir()
    text, said = WAYS[way]
    pd.testing.assert_frame_equal(read(tmp_path / "other", text), expected)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == bool(said)
    assert all(said in line and "ratings.csv" in line for line in lines)


@pytest.mark.parametrize(("on_disk", "in_the_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_in_either_form(on_disk: str, in_the_table: str, tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize(on_disk, "é.wav")).touch()
    text = GOOD.replace("a/0.wav", unicodedata.normalize(in_the_table, "é.wav"))
    assert read(tmp_path, text)["path"].iloc[0] == unicodedata.normalize(on_disk, "é.wav")


def test_a_backslash_that_is_part_of_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / "a\\0.wav").touch()
    assert read(tmp_path, GOOD.replace("a/0.wav", "a\\0.wav"))["path"].iloc[0] == "a\\0.wav"


def test_a_way_out_of_the_folder_is_none_with_backslashes_either(tmp_path: Path) -> None:
    (tmp_path / "private.wav").touch()
    (tmp_path / "corpus").mkdir()
    with pytest.raises(DatmosError, match="stay inside it"):
        read(tmp_path / "corpus", GOOD.replace("a/0.wav", "..\\private.wav"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("PQ,CE\n", "PQ,CE,PQ\n", ["the column 'PQ' is there 2 times"]),
        ("3.5,1\n", "3.5,1,2\n", ["row 1 has 8 cells, the header 7"]),
        ("3.5,1\n", '"3.5,1\n', ["not a UTF-8 CSV file", "unexpected end of data"]),
    ],
)
def test_refusals(old: str, new: str, words: list[str], tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(DatmosError) as error:
        read(tmp_path, GOOD.replace(old, new, 1))
    for word in [*words, "ratings.csv"]:
        assert word in str(error.value)


def clips(**ratings: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({"path": ["0.wav", "1.wav", "2.wav"], "split": ["train", "train", "eval"], **ratings})
    return table.assign(**{f"{aspect}_ratings": [None] * 3 for aspect in ratings})


def test_ratings_off_the_scale() -> None:
    (problem,) = rating_problems(clips(PQ=[54.5, 3.0, 98.0], CE=[1.0, 10.0, 5.0]), ["PQ", "CE"], (1.0, 10.0))
    for words in ("PQ: 2 of 3 clips have ratings outside data.scale [1.0, 10.0], from 3 to 98",
                  "Set data.scale to [0, 100]?", "0.wav: 54.5", "2.wav: 98"):  # fmt: skip
        assert words in problem
    (problem,) = rating_problems(clips(PQ=[-3.0, 3.0, 150.0]), ["PQ"], (1.0, 10.0))
    assert "Set data.scale to the scale of your ratings." in problem


def test_a_single_rating_off_the_scale() -> None:
    table = clips(PQ=[2.0, 3.0, 4.0])
    table["PQ_ratings"] = [[1.0, 3.0], None, [0.0, 80.0]]
    (problem,) = rating_problems(table, ["PQ"], (1.0, 10.0))
    assert "1 of 3 clips" in problem
    assert "from 0 to 80. Set data.scale to [0, 100]?" in problem


def test_a_few_listeners_that_left_the_scale_a_little_are_no_other_scale() -> None:
    table = clips(PQ=[0.7, 3.0, 4.0])
    table["PQ_ratings"] = [[0.0, 1.4], None, [0.0, 8.0]]
    assert list(rating_problems(table, ["PQ"], (1.0, 10.0))) == []


def test_train_ratings_that_are_all_the_same() -> None:
    table = clips(PQ=[3.0, 3.0, 4.0], CE=[1.0, 2.0, 2.0])
    assert list(rating_problems(table, ["PQ", "CE"], (1.0, 10.0))) == [
        "PQ: all train ratings are 3; there is nothing to learn"
    ]


def test_clips_without_a_score_are_no_problem() -> None:
    assert list(rating_problems(clips(PQ=[3.0, 2.0, float("nan")]), ["PQ"], (1.0, 10.0))) == []


READ = ("trailing-comma", "trailing-space", "german-excel", "backslash")
REFUSED = {
    "duplicate-column": "the column 'PQ' is there 2 times",
    "scale-0-100": "Set data.scale to [0, 100]?",
    "constant-ratings": "CE: all train ratings are 3",
}


@pytest.fixture
def study(shared: Path, tmp_path: Path) -> Path:
    """A folder with the files that the tables of shared/faults name; they are empty."""
    tables = shared / "faults/tables"
    if not tables.is_dir():
        pytest.skip(f"reference data not found: {tables}")
    for line in (tables / "constant-ratings.csv").read_text().splitlines()[1:]:
        path = tmp_path / line.split(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def read_study(study: Path, shared: Path, name: str) -> pd.DataFrame:
    (study / "ratings.csv").write_bytes((shared / f"faults/tables/{name}.csv").read_bytes())
    aspects = ["NA", "INT"] if name == "aspect-NA" else ["PQ", "CE"]
    table = read_ratings(study / "ratings.csv", aspects)
    if problems := list(rating_problems(table, aspects, (1.0, 10.0))):
        raise DatmosError("\n".join(problems))
    return table


def test_real_tables_that_differ_in_form_alone_are_the_same(study: Path, shared: Path) -> None:
    first, *others = (read_study(study, shared, name) for name in READ)
    assert first["source"].nunique() == first["source"].str.strip().nunique()
    assert first["PQ"].between(1, 10).all()
    for other in others:
        pd.testing.assert_frame_equal(other, first)


@pytest.mark.parametrize("name", REFUSED)
def test_real_tables_that_are_refused(name: str, study: Path, shared: Path) -> None:
    with pytest.raises(DatmosError) as error:
        read_study(study, shared, name)
    assert REFUSED[name] in str(error.value)


def test_an_aspect_called_na(study: Path, shared: Path) -> None:
    assert read_study(study, shared, "aspect-NA")["NA"].notna().all()
