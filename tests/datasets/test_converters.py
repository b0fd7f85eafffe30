"""Converters: small corpora laid out as the published ones are."""

from pathlib import Path

import pytest

from datmos.core.errors import DatmosError
from datmos.datasets.converters import convert
from datmos.datasets.corpora import CORPORA
from datmos.datasets.ratings import read_ratings

NISQA = """db,con,file,con_description,filename_deg,filename_ref,source,lang,votes,mos,noi,dis,col,loud,filepath_deg
NISQA_TRAIN_SIM,1,1,x,c1.wav,r.wav,S,en,5,2.5,3,3.5,4,4.5,NISQA_TRAIN_SIM/deg/c1.wav
NISQA_TRAIN_LIVE,2,1,x,c2.wav,r.wav,S,en,5,1.5,2,2.5,3,3.5,NISQA_TRAIN_LIVE/deg/c2.wav
NISQA_VAL_SIM,1,1,x,c1.wav,r.wav,S,en,5,2.5,3,3.5,4,4.5,NISQA_VAL_SIM/deg/c1.wav
NISQA_TEST_P501,7,1,x,a.wav,r.wav,S,en,30,3.5,3,3.5,4,4.5,NISQA_TEST_P501/deg/a.wav
NISQA_TEST_P501,7,2,x,b.wav,r.wav,S,en,30,3.0,3,3.5,4,4.5,NISQA_TEST_P501/deg/b.wav
"""


@pytest.fixture
def nisqa(tmp_path: Path) -> Path:
    (tmp_path / "NISQA_corpus_file.csv").write_text(NISQA)
    return tmp_path


@pytest.fixture
def voicemos(tmp_path: Path) -> Path:
    sets = tmp_path / "DATA/sets"
    sets.mkdir(parents=True)
    (tmp_path / "DATA/wav").mkdir()
    lists = {"train": ("TRAINSET", "sysaa-utt1.wav", (3, 4)), "val": ("DEVSET", "sysaa-utt2.wav", (2, 3)),
             "test": ("TESTSET", "sysbb-utt3.wav", (5, 4))}  # fmt: skip
    for name, (ratings, file, scores) in lists.items():
        (sets / f"{name}_mos_list.txt").write_text(f"{file},{sum(scores) / 2}\n")
        lines = [f"{file[:5]},{file},{score},na,{{}}_30_L{n}" for n, score in enumerate(scores)]
        (sets / ratings).write_text("\n".join(lines) + "\n")
    return tmp_path


def read_back(corpus: str, folder: Path) -> list[dict]:  # type: ignore[type-arg]
    """Convert, write, and read with what a run reads ratings.csv with."""
    convert(corpus, folder).to_csv(folder / "ratings.csv", index=False)
    table = read_ratings(folder / "ratings.csv", list(CORPORA[corpus].aspects))
    low, high = CORPORA[corpus].scale
    for aspect in CORPORA[corpus].aspects:
        assert table[aspect].between(low, high).all()
    return table.to_dict("records")


def test_nisqa(nisqa: Path) -> None:
    first, second, live, sim, valid = read_back("nisqa", nisqa)
    assert (live["path"], live["split"], live["source"]) == ("NISQA_TRAIN_LIVE/deg/c2.wav", "train", "NISQA_LIVE")
    assert (sim["source"], valid["source"], valid["split"]) == ("NISQA_SIM", "NISQA_SIM", "valid")
    assert [first[name] for name in ("MOS", "NOI", "DIS", "COL", "LOUD")] == [3.5, 3, 3.5, 4, 4.5]
    assert (first["split"], first["system"], second["system"]) == ("eval", *["NISQA_TEST_P501_c7"] * 2)
    assert sim["system"] == ""


def test_voicemos(voicemos: Path) -> None:
    train, valid, test = read_back("voicemos", voicemos)
    assert (train["path"], train["split"]) == ("DATA/wav/sysaa-utt1.wav", "train")
    assert (valid["split"], test["split"]) == ("valid", "eval")
    assert (test["system"], test["source"]) == ("sysbb", "sysbb")
    assert train["MOS"] == 3.5
    assert train["MOS_ratings"] == [3, 4]


def test_voicemos_without_single_ratings_and_given_the_inner_folder(voicemos: Path) -> None:
    (voicemos / "DATA/sets/TRAINSET").unlink()
    train, valid, _ = read_back("voicemos", voicemos / "DATA")
    assert (train["path"], train["MOS_ratings"], valid["MOS_ratings"]) == ("wav/sysaa-utt1.wav", None, [2, 3])


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_folder_that_is_not_the_corpus(corpus: str, tmp_path: Path) -> None:
    with pytest.raises(
        DatmosError, match=r"no such file; expected is .*mos_list|no such file; .*NISQA_corpus_file"
    ):
        convert(corpus, tmp_path)
    with pytest.raises(DatmosError, match=f"no such folder; {corpus} expects"):
        convert(corpus, tmp_path / "nowhere")


def test_what_is_not_as_published_is_named(nisqa: Path, voicemos: Path) -> None:
    (nisqa / "NISQA_corpus_file.csv").write_text(NISQA.replace("NISQA_VAL_SIM,1", "OTHER,1"))
    with pytest.raises(DatmosError, match=r"db OTHER; NISQA_TRAIN_"):
        convert("nisqa", nisqa)
    (nisqa / "NISQA_corpus_file.csv").write_text(NISQA.replace("noi", "noise", 1))
    with pytest.raises(DatmosError, match="column 'noi' is missing"):
        convert("nisqa", nisqa)
    (voicemos / "DATA/sets/val_mos_list.txt").write_text("a.wav,3\n")
    with pytest.raises(DatmosError, match=r"a\.wav; <system>-utt<ID>\.wav is expected"):
        convert("voicemos", voicemos)
    (voicemos / "DATA/sets/val_mos_list.txt").write_text("a.wav;3\n")
    with pytest.raises(DatmosError, match="1 values a line; 2 are expected"):
        convert("voicemos", voicemos)
