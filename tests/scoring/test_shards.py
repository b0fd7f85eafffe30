"""Shards of a manifest: which clips, the rows of an ordinary run, and what is done is done."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from datmos.core.errors import DatmosError
from datmos.scoring.runs.cluster import Cluster, score_on_ray
from datmos.scoring.runs.command import Options, score_to_file
from datmos.scoring.runs.real_sound import WARNING
from datmos.scoring.runs.shard_scorer import ShardScorer
from datmos.scoring.runs.shards import LOCK, claim_output, cut_manifest
from datmos.scoring.user_outputs import locked
from helpers.finished_run import write_models

CLIPS = 7


def options(model: Path, manifest: Path, **changed: Any) -> Options:
    given = Options([str(manifest)], str(model), None, False, "cpu", {}, False, None, None, None)
    return given._replace(**changed)


def write_manifest(path: Path, names: list[str], group: int = 3) -> Path:
    pq.write_table(pa.table({"id": range(len(names)), "path": names}), path, row_group_size=group)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A manifest of clips beside it, one of them not there, and a model with random weights."""
    for number in range(CLIPS - 1):
        sound = np.random.default_rng(number).normal(0, 0.1, 16_000 + 9_000 * number)
        soundfile.write(tmp_path / f"{number}.wav", sound, 16_000)
    write_models(tmp_path / "model")
    names = [f"{number}.wav" for number in range(CLIPS)]
    return write_manifest(tmp_path / "list.parquet", names)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10, 11])
def test_shards_hold_every_clip_once_and_in_order(tmp_path: Path, size: int) -> None:
    names = [f"{number}.wav" for number in range(10)]
    sharding = cut_manifest(write_manifest(tmp_path / "list.parquet", names), tmp_path / "out", size)
    found = [sharding.read(shard) for shard in range(sharding.shards)]
    assert [clip.name for shard in found for clip in shard] == names
    assert [len(shard) for shard in found[:-1]] == [size] * (len(found) - 1)


def test_a_clip_is_looked_for_beside_the_manifest_then_where_the_run_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/beside.wav").touch()
    manifest = write_manifest(tmp_path / "lists/list.parquet", ["beside.wav", "here.wav"])
    monkeypatch.chdir(tmp_path)
    sharding = cut_manifest(manifest, tmp_path / "out", 5)
    monkeypatch.chdir("/")  # as an actor on another machine
    assert [clip.path for clip in sharding.read(0)] == [tmp_path / "lists/beside.wav", tmp_path / "here.wav"]


@pytest.mark.takes(3)
def test_shards_have_the_rows_of_an_ordinary_run(clips: Path, tmp_path: Path) -> None:
    asked = options(tmp_path / "model", clips)
    score_to_file(asked, "parquet", tmp_path / "whole.parquet", resume=False)
    sharding = cut_manifest(clips, tmp_path / "out", 3)
    assert claim_output(sharding, asked, resume=False) == []
    scorer = ShardScorer(sharding, asked, None)
    notes = [scorer({"shard": shard}) for shard in (2, 0, 1)]
    assert [note["problem"] for note in notes] == [None] * 3
    assert [note["warning"] for note in notes] == [WARNING] * 3  # the study's clips lie elsewhere
    assert sum(note["scored"] for note in notes) == CLIPS - 1
    assert [failed for note in notes for failed in note["failed"]] == ["6.wav: No such file or directory"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out"), pd.read_parquet(tmp_path / "whole.parquet"))


def test_a_bad_row_of_a_manifest_is_one_bad_row(clips: Path, tmp_path: Path) -> None:
    names = ["0.wav", None, "", "a\0b", "x" * 300, "1.wav"]
    pq.write_table(pa.table({"path": pa.array(names)}), clips, row_group_size=4)
    asked = options(tmp_path / "model", clips)
    sharding = cut_manifest(clips, tmp_path / "out", 5)
    claim_output(sharding, asked, resume=False)
    scorer = ShardScorer(sharding, asked, None)
    notes = [scorer({"shard": shard}) for shard in (0, 1)]
    assert [note["problem"] for note in notes] == [None, None]
    found = pd.read_parquet(tmp_path / "out")
    assert found["path"].tolist() == [name or "" for name in names]
    assert found["error"].isna().tolist() == [True, False, False, False, False, True]
    assert f"{clips} row 2: a path as text is expected, found nothing" in notes[0]["failed"][0]


@pytest.mark.parametrize("column", [[1, 2], [None, None], [["a.wav"]]])
def test_a_manifest_whose_paths_are_no_text_is_refused(column: list[Any], tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": column}), tmp_path / "list.parquet")
    with pytest.raises(DatmosError, match="as text in a column called 'path'"):
        cut_manifest(tmp_path / "list.parquet", tmp_path / "out", 5)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[" * 100_000, b'{"scored": 3}', bytes(range(256))])
@pytest.mark.takes(2)
def test_a_damaged_note_or_shard_is_computed_again(damage: bytes, clips: Path, tmp_path: Path) -> None:
    asked = options(tmp_path / "model", clips)
    sharding = cut_manifest(clips, tmp_path / "out", 3)
    claim_output(sharding, asked, resume=False)
    scorer = ShardScorer(sharding, asked, None)
    for shard in range(3):
        scorer({"shard": shard})
    assert sharding.finished() == [0, 1, 2]
    sharding.note(0).write_bytes(damage)
    sharding.file(1).write_bytes(damage)
    assert claim_output(sharding, asked, resume=True) == [2]
    (tmp_path / "out/_run.json").write_bytes(damage)
    with pytest.raises(DatmosError, match=r"_run.json: is damaged|had another manifest"):
        claim_output(sharding, asked, resume=True)


def test_two_runs_do_not_share_a_folder(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datmos.scoring.runs.cluster.needs", lambda *_: None)
    asked, output = options(tmp_path / "model", clips), tmp_path / "out"
    with locked(output, output / LOCK):
        with pytest.raises(DatmosError, match=r"out: another run writes it \(process \d+ on "):
            score_on_ray(asked, output, False, Cluster("local", None, 10))
        assert [path.name for path in output.iterdir()] == [LOCK]
    (output / LOCK).write_text("left by a run that was killed")
    assert claim_output(cut_manifest(clips, output, 3), asked, resume=False) == []


def test_what_is_no_folder_is_refused(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datmos.scoring.runs.cluster.needs", lambda *_: None)
    (tmp_path / "file").write_text("precious")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_text("precious")
    for name, words in (("file", "is a file; the name of a folder"), ("pictures", "holds something else")):
        with pytest.raises(DatmosError, match=words):
            score_on_ray(options(tmp_path / "model", clips), tmp_path / name, True, Cluster("local", None, 10))
    assert (tmp_path / "file").read_text() == "precious"
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["a.png"]


def test_a_wrong_option_makes_no_folder(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datmos.scoring.runs.cluster.needs", lambda *_: None)
    for cluster, words in (
        (Cluster("local", 0, 10), "--actors: 1 or more is expected, got 0"),
        (Cluster("local", None, 0), "--shard-clips: 1 or more is expected, got 0"),
    ):
        with pytest.raises(DatmosError, match=words):
            score_on_ray(options(tmp_path / "model", clips), tmp_path / "out", False, cluster)
    assert not (tmp_path / "out").exists()


@pytest.mark.takes(2)
def test_what_is_done_is_not_done_again(clips: Path, tmp_path: Path) -> None:
    asked = options(tmp_path / "model", clips, minima={"PQ": 0.0})
    sharding = cut_manifest(clips, tmp_path / "out", 3)
    claim_output(sharding, asked, resume=False)
    scorer = ShardScorer(sharding, asked, None)
    version = scorer({"shard": 1})["version"]
    scorer({"shard": 2})
    sharding.file(2).unlink()  # killed between: a note without rows, or rows without a note, count for nothing
    sharding.file(0).touch()
    assert claim_output(sharding, asked, resume=True) == [1]
    with pytest.raises(DatmosError, match=r"holds a run. --resume goes on with it"):
        claim_output(sharding, asked, resume=False)
    for changed in (asked._replace(minima={"PQ": 5.0}), asked._replace(timeline=True)):
        with pytest.raises(DatmosError, match=r"had another (minima|timeline); its shards can't be mixed"):
            claim_output(sharding, changed, resume=True)
    with pytest.raises(DatmosError, match="had another shard_clips"):
        claim_output(sharding._replace(size=2), asked, resume=True)
    assert ShardScorer(sharding, asked, version)({"shard": 0})["problem"] is None
    problem = ShardScorer(sharding, asked, "another")({"shard": 0})["problem"]
    assert problem.startswith(f"--resume: the shards in {tmp_path}/out were scored by version another")


def test_an_output_that_holds_something_else_is_left_alone(clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "precious"
    output.mkdir()
    (output / "thesis.tex").write_text("years")
    with pytest.raises(DatmosError, match="holds something else"):
        claim_output(cut_manifest(clips, output, 3), options(tmp_path / "model", clips), resume=True)
    assert [path.name for path in output.iterdir()] == ["thesis.tex"]


def test_a_wrong_manifest_or_model_is_one_message(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(DatmosError, match="No such file"):
        cut_manifest(tmp_path / "nowhere.parquet", tmp_path / "out", 3)
    with pytest.raises(DatmosError, match="a parquet manifest is expected"):
        cut_manifest(tmp_path / "0.wav", tmp_path / "out", 3)
    pq.write_table(pa.table({"file": ["a.wav"]}), tmp_path / "other.parquet")
    with pytest.raises(DatmosError, match="in a column called 'path'"):
        cut_manifest(tmp_path / "other.parquet", tmp_path / "out", 3)
    with pytest.raises(DatmosError, match="--shard-clips: 1 or more"):
        cut_manifest(clips, tmp_path / "out", 0)
    sharding = cut_manifest(clips, tmp_path / "out", 3)
    assert (
        "no model 'nobody'" in ShardScorer(sharding, options(Path("nobody"), clips), None)({"shard": 0})["problem"]
    )
    asked = options(tmp_path / "model", clips, minima={"PX": 1.0})
    assert "no such aspect" in ShardScorer(sharding, asked, None)({"shard": 0})["problem"]


def test_without_ray_the_message_says_what_to_type(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datmos.scoring.extras.find_spec", lambda name: None)
    with pytest.raises(
        DatmosError, match=r"ray: not installed; in datmos' folder type `pip install -e '\.\[ray\]'`"
    ):
        score_on_ray(options(tmp_path, clips), tmp_path / "out", False, Cluster("local", None, 10))


@pytest.mark.takes(2)
def test_the_notes_are_out_of_the_way_of_whoever_reads_the_folder(clips: Path, tmp_path: Path) -> None:
    asked = options(tmp_path / "model", clips)
    sharding = cut_manifest(clips, tmp_path / "out", 10)
    claim_output(sharding, asked, resume=False)
    ShardScorer(sharding, asked, None)({"shard": 0})
    assert len(pd.read_parquet(tmp_path / "out")) == CLIPS
    assert json.loads(sharding.note(0).read_text())["scored"] == CLIPS - 1
