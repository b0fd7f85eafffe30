"""ratings.csv: what is read, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest

from datmos.core.errors import DatmosError
from datmos.datasets.ratings import read_ratings

GOOD = """path,split,category,source,system,PQ,PQ_ratings,extra
a.wav,train,speech,A,,3.5,3;4,x
b.wav,valid,speech,A,,2,,x
c.wav,eval,music,gen,sys1,1e0,1;1,x
"""


def read(tmp_path: Path, text: str, aspects: tuple[str, ...] = ("PQ",)) -> Any:
    (tmp_path / "ratings.csv").write_text(text, encoding="utf-8")
    return read_ratings(tmp_path / "ratings.csv", list(aspects))


def test_a_good_file(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD)
    assert list(table.columns) == [
        "clip_id",
        "path",
        "split",
        "category",
        "source",
        "system",
        "base",
        "missing",
        "PQ",
        "PQ_ratings",
        "PQ_true",
    ]
    assert list(table["PQ"]) == [3.5, 2.0, 1.0]
    assert list(table["system"]) == ["", "", "sys1"]
    assert list(table["PQ_ratings"]) == [[3.0, 4.0], None, [1.0, 1.0]]
    assert (table["base"] == "").all()
    assert table["PQ_true"].isna().all()


def test_quoted_names_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff" + GOOD.replace("a.wav", '"a, ""b""\nc.wav"')
    assert read(tmp_path, text)["path"].iloc[0] == 'a, "b"\nc.wav'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("source,system", "sourc,system", ["column 'source' is missing", "did you mean 'sourc'"]),
        (",PQ,", ",P,", ["column 'PQ' is missing", "an aspect of data.aspects"]),
        ("b.wav", "a.wav", ["path given twice", "row 2: 'a.wav'"]),
        ("a.wav", "", ["path is empty", "row 1"]),
        ("a.wav", "/a.wav", ["relative to data.root", "row 1: '/a.wav'"]),
        ("a.wav", "../a.wav", ["stay inside it", "row 1"]),
        (",3.5,", ",good,", ["PQ must be a finite number", "row 1: 'good'"]),
        (",3.5,", ",,", ["PQ must be a finite number", "row 1: ''"]),
        (",3.5,", ",inf,", ["PQ must be a finite number", "row 1: 'inf'"]),
        (",3.5,", ",nan,", ["PQ must be a finite number", "row 1: 'nan'"]),
        ("3;4", "3;four", ["PQ_ratings must be numbers separated by ';'", "row 1: '3;four'"]),
        ("train", "tain", ["split must be one of train, valid, eval", "row 1: 'tain'"]),
        ("valid", "train", ["no row with split 'valid'"]),
        ("sys1", "", ["no eval system"]),
        ("speech,A,,3.5", ",A,,3.5", ["category is empty", "row 1"]),
        ("wav,train", "w\0av,train", ["path holds a NUL character", r"\x00"]),
    ],
)
def test_refusals(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(DatmosError) as error:
        read(tmp_path, GOOD.replace(old, new, 1))
    for word in [*words, "ratings.csv"]:
        assert word in str(error.value)


def test_a_link_that_leads_out_of_the_folder_is_that_clips_reason(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "private.wav").touch()
    (tmp_path / "corpus/real.wav").touch()
    (tmp_path / "corpus/a.wav").symlink_to("../private.wav")
    (tmp_path / "corpus/b.wav").symlink_to("real.wav")
    (tmp_path / "linked").symlink_to("corpus")
    for folder in ("corpus", "linked"):
        missing = list(read(tmp_path / folder, GOOD)["missing"])
        assert missing[0].startswith("a link leads out of the folder of ratings.csv; put the file itself there")
        assert missing[1:] == ["", ""]


COUNTERFACTUAL = """path,split,category,source,system,base,PQ,PQ_true
a.wav,train,speech,A,,,3.5,3.25
b.wav,valid,speech,A,,,2,
c.wav,eval,music,gen,sys1,,1,1.5
d.wav,counterfactual,music,A,,one,,2
e.wav,counterfactual,music,B,,one,,2
"""


def test_counterfactual_clips_need_no_score(tmp_path: Path) -> None:
    table = read(tmp_path, COUNTERFACTUAL)
    assert list(table["base"]) == ["", "", "", "one", "one"]
    assert list(table["PQ"].isna()) == [False, False, False, True, True]
    assert list(table["PQ_true"].fillna(0)) == [3.25, 0, 1.5, 2, 2]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("A,,one", "A,,", ["a counterfactual clip without a base", "row 4: 'd.wav'"]),
        ("A,,one", "A,,two", ["the only clip of its base", "row 4: 'd.wav'", "row 5: 'e.wav'"]),
        ("B,,one", "A,,one", ["a second counterfactual clip of the same base and source", "row 5"]),
        ("A,,,3.5", "A,,one,3.5", ["base is only for the split counterfactual", "row 1"]),
        ("sys1,,1,", "sys1,,,", ["PQ must be a finite number", "row 3: ''"]),
        ("3.25", "high", ["PQ_true must be a finite number", "row 1: 'high'"]),
    ],
)
def test_refusals_of_counterfactual_clips(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in COUNTERFACTUAL
    with pytest.raises(DatmosError) as error:
        read(tmp_path, COUNTERFACTUAL.replace(old, new, 1))
    for word in words:
        assert word in str(error.value)


def test_only_the_first_ten_rows_are_shown(tmp_path: Path) -> None:
    rows = "".join(f"x{i}.wav,train,speech,A,,bad,,x\n" for i in range(15))
    with pytest.raises(DatmosError, match="and 5 more") as error:
        read(tmp_path, GOOD + rows)
    assert str(error.value).count("row ") == 10


def test_a_missing_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(DatmosError, match="no such file"):
        read_ratings(tmp_path / "ratings.csv", ["PQ"])
    (tmp_path / "ratings.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatmosError, match="not a UTF-8 CSV"):
        read_ratings(tmp_path / "ratings.csv", ["PQ"])
