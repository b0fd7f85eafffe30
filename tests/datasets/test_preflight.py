"""The pre-flight: what is there, what is not, and whether a run would start."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from datmos.datasets.preflight import Preflight, check_data, preflight_text
from datmos.params.schema import Params
from helpers.places import REPOSITORY


def params(root: Path, **changed: object) -> Params:
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    raw["data"] |= {"kind": "ratings", "root": str(root), "aspects": ["PQ"], "max_excluded": 0.25} | changed
    for strategy in raw["strategies"].values():
        strategy.pop("groups", None)
    return Params.model_validate(raw)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve clips of a second, other noise in each."""
    generator = np.random.default_rng(0)
    lines = ["path,split,category,source,system,PQ,PQ_ratings"]
    for number in range(12):
        split = ["train", "valid", "eval"][number // 4]
        system = f"sys{number % 2}" if split == "eval" else ""
        soundfile.write(tmp_path / f"{number}.wav", generator.uniform(-0.5, 0.5, 8000), 8000)
        lines.append(f"{number}.wav,{split},speech,{'AB'[number % 2]},{system},{3 + number % 3},3;4")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def of(settings: Params) -> tuple[Preflight, str]:
    what = settings.data, settings.evaluation_sets, settings.audio
    found = check_data(*what)
    return found, preflight_text(found, *what)


def look(root: Path) -> tuple[Preflight, str]:
    return of(params(root))


def test_all_is_well(root: Path) -> None:
    found, text = look(root)
    assert (found.copies, found.leaks, found.refused) == ([], [], [])
    assert found.clips["duration_s"].tolist() == [1.0] * 12
    assert "systems: 2, with 2 to 2 eval clips" in text
    assert "single ratings of an eval clip: PQ 2 to 2" in text
    assert "to embed: 12 clips x 3 s = 0.01 hours of audio" in text
    assert text.endswith("a run would start")
    rows = [line.split() for line in text.splitlines()]
    assert ["train", "A", "2", "0", "0", "0.00"] in rows


def test_missing_and_unusable_files_are_named(root: Path) -> None:
    (root / "1.wav").unlink()
    (root / "2.wav").write_bytes(b"")
    soundfile.write(root / "9.wav", np.ones(80) / 2, 8000)
    found, text = look(root)
    assert "1.wav (train): no such file" in text
    assert ["B", "2", "1", "0", "0.00"] in [line.split() for line in text.splitlines()]
    assert "2.wav (train): empty file" in text
    assert "9.wav (eval): 0.01 s long, shorter than audio.min_seconds" in text
    assert found.refused == ["2 of 4 train clips can't be used, more than data.max_excluded 0.25 allows"]
    assert text.endswith("a run would stop: " + found.refused[0])


def test_copies_and_leaks(root: Path) -> None:
    shutil.copy(root / "0.wav", root / "1.wav")
    found, text = look(root)
    assert found.copies == [["0.wav (train)", "1.wav (train)"]]
    assert (found.leaks, found.refused) == ([], [])
    assert "the same content:\n  0.wav (train) = 1.wav (train)" in text
    shutil.copy(root / "0.wav", root / "11.wav")
    found, text = look(root)
    assert found.leaks == [["0.wav (train)", "1.wav (train)", "11.wav (eval)"]]
    assert found.refused == ["1 files are in more than one of the splits train, valid, eval"]


def test_an_evaluation_set_is_looked_at_too(root: Path) -> None:
    folder = root / "set"
    folder.mkdir()
    (folder / "ratings.csv").write_text(
        "path,split,category,source,system,PQ\na.wav,eval,music,G,s1,3\nb.wav,eval,music,G,s2,4\n"
    )
    shutil.copy(root / "0.wav", folder / "a.wav")
    raw = params(root).model_dump(by_alias=True)
    raw["evaluation_sets"] = {"other": {"kind": "ratings", "root": str(folder), "max_excluded": 0.1}}
    settings = Params.model_validate(raw)
    found, text = of(settings)
    assert f"evaluation set other, ratings: {folder}" in text
    assert "to embed: 13 clips" in text
    assert "b.wav (eval): no such file" in text
    assert found.leaks == [["0.wav (train)", "a.wav (other, eval)"]]
    assert found.refused == [
        "1 of 2 eval clips can't be used, more than evaluation_sets.other.max_excluded 0.1 allows",
        "1 files are in more than one of the splits train, valid, eval",
    ]


def test_hostile_files(root: Path, shared: Path) -> None:
    names = sorted(path.name for path in (shared / "bad").iterdir())
    with (root / "ratings.csv").open("a") as file:
        file.writelines(f"bad/{name},train,speech,A,,3,\n" for name in names)
    (root / "bad").symlink_to(shared / "bad")
    found, text = look(root)
    problems = found.clips.set_index("path")["problem"]
    assert problems["bad/" + next(name for name in names if name.endswith(".md"))] != ""
    assert "can't be used" in text


@pytest.mark.takes(2)
def test_the_papers_lists_without_audio(shared: Path) -> None:
    settings = params(shared / "aes-natural", kind="audiomos2025", aspects=["PQ", "PC", "CE", "CU"])
    found, text = of(settings)
    rows = [line.split() for line in text.splitlines()]
    assert ["AudioSet", "900", "900", "0", "0.00"] in [row[-5:] for row in rows]
    assert "systems: 36, with 85 to 85 eval clips" in text
    assert "single ratings of an eval clip: PQ 10 to 10, PC 10 to 10" in text
    assert [reason.split(" clips")[0] for reason in found.refused] == [
        "3060 of 3060 eval", "2700 of 2700 train", "250 of 250 valid",
    ]  # fmt: skip
