"""The exported folder, its card and provenance, and the hub."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open

from datmos import load
from datmos.audiobox.model_files import load_weights, make_model
from datmos.audiobox.model_files import save_models as save_finetuned
from datmos.audiobox.weights import load_start
from datmos.core.errors import DatmosError
from datmos.heads.model_files import load_models
from datmos.sharing.export import Wishes, export_predictor
from datmos.sharing.hub import push_folder
from datmos.sharing.provenance import describe_provenance, differences, folder_md5
from helpers.finished_run import write_lock, write_models, write_project
from helpers.tiny_encoders import checkpoint


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_project(tmp_path / "run")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_the_folder_holds_the_heads_and_nothing_of_the_adversaries(run: Path, tmp_path: Path) -> None:
    exported = export_predictor(run, "dat", tmp_path / "out", Wishes())
    names = [
        "README.md",
        "config.json",
        "familiarity.safetensors",
        "provenance.json",
        "seed_3.safetensors",
        "seed_4.safetensors",
    ]
    assert sorted(path.name for path in exported.folder.iterdir()) == names
    with safe_open(exported.folder / "seed_3.safetensors", "pt") as weights:
        assert all(name.startswith("head.") for name in weights.keys())  # noqa: SIM118
    original, copied = load_models(run / "data/models/dat"), load_models(exported.folder)
    x = torch.randn(2, 200, 75)
    assert torch.equal(original.head(x).mean, copied.head(x).mean)
    assert original.seeds == copied.seeds
    found, expected = (load(folder) for folder in (exported.folder, run / "data/models/dat"))
    sound = np.random.default_rng(0).normal(0, 0.1, 70_000)
    one, other = (scorer.score(sound, sample_rate=16_000) for scorer in (found, expected))
    assert (one.mean, one.std, one.distance) == (other.mean, other.std, other.distance)
    assert (found.name, found.version) == (expected.name, expected.version)
    assert found.trained_on == expected.trained_on == "simulated"
    config = json.loads((exported.folder / "config.json").read_text())
    assert config["encoder_params"]["trust_remote_code"] is False  # whoever loads it decides
    assert str(tmp_path) not in "".join(path.read_text() for path in exported.folder.glob("*.[jm][sd]*"))


def test_two_exports_are_the_same_bytes(run: Path, tmp_path: Path) -> None:
    first, second = (export_predictor(run, "dat", tmp_path / name / "dat", Wishes()).folder for name in "ab")
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}


def test_the_card_says_what_it_is_and_how_good(run: Path, tmp_path: Path) -> None:
    scores = run / "data/details/strategies.json"
    assert (
        "this has the lowest MSE of 3 predictors compared on the same clips"
        in (export_predictor(run, "dat", tmp_path / "out", Wishes()).folder / "README.md").read_text()
    )
    better = json.loads(scores.read_text())
    better["ridge"]["PQ"]["system"]["mse"]["mean"] = 0.5
    scores.write_text(json.dumps(better))
    write_lock(run)
    folder = export_predictor(run, "dat", tmp_path / "out", Wishes(licence="cc-by-4.0", reference="me/dat")).folder
    card = (folder / "README.md").read_text()
    _, front, text = card.split("---\n", 2)
    head = yaml.safe_load(front)
    assert (head["license"], head["library_name"]) == ("cc-by-4.0", "datmos")
    metrics = head["model-index"][0]["results"][0]["metrics"]
    assert {metric["type"]: metric["value"] for metric in metrics} == {"mse": 0.625, "spearmanr": 0.5625}
    assert 'load("me/dat")' in text
    assert "| PQ | 0.750 [0.375, 1.500] | 0.625 | 0.016 | 0.562 [0.250, 0.750] | 0.562 | 0.984 | 81% |" in text
    assert "PQ: of 3 predictors compared on the same clips, `ridge` has the lowest MSE, 0.500." in text
    assert "**Trained on a simulation**" in text
    assert "95% intervals held 81% of the eval clips'" in text
    assert "a domain adversary on `source` (lambda 0.5)" in text
    assert "| eval | 8 | 1 | 0.50 | 2 systems | 5.00 ± 1.00 |" in text
    assert "train@dat, output " in text
    assert "{{" not in card
    assert "None" not in text


def test_provenance_says_what_does_not_belong_together(run: Path) -> None:
    models = run / "data/models/dat"
    found = describe_provenance(run, "dat", models)
    assert found["params"] == {
        "corpus": {"seed": 0}, "data": {"kind": "simulated", "scale": [1.0, 10.0]}, "seeds": [3, 4],
        "strategies": {"dat": {"lambda": 0.5}},
    }  # fmt: skip
    assert found["dvc"]["differs"] == []
    assert differences(found) == ["The project is not in a git repository: no revision is known."]
    git(run, "init", "-q")
    git(run, "add", "metrics", "dvc.lock")
    git(run, "commit", "-q", "-m", "x")
    found = describe_provenance(run, "dat", models)
    assert found["git"] == {"revision": git(run, "rev-parse", "HEAD").strip(), "changed": False}
    assert differences(found) == []
    lock = (run / "dvc.lock").read_text()
    (run / "dvc.lock").write_text(lock.replace("data.kind: simulated", "data.root: /home/somebody/audio"))
    assert describe_provenance(run, "dat", models)["params"]["data"]["root"] == ".../audio"
    (run / "dvc.lock").write_text(lock)
    (models / "config.json").write_text((models / "config.json").read_text() + " ")
    (run / "metrics/tables/table1.md").write_text("another")
    scores = run / "data/details/strategies.json"
    scores.write_text(scores.read_text() + " ")
    found = describe_provenance(run, "dat", models)
    assert found["git"]["changed"]
    assert found["dvc"]["differs"] == ["data/models/dat", "data/details/strategies.json"]
    assert "Not what dvc.lock says: data/models/dat, data/details/strategies.json." in differences(found)[1]
    write_lock(run)
    (run / "data/predictions/plain.parquet").write_text("another strategy, which the intervals know nothing of")
    assert describe_provenance(run, "dat", models)["dvc"]["differs"] == [
        f"data/details/{name}.json" for name in ("strategies", "significance", "ceilings", "uncertainty")
    ]


def test_without_results_or_lock_the_card_says_so(run: Path, tmp_path: Path) -> None:
    (run / "dvc.lock").unlink()
    for path in (run / "data/details").iterdir():
        path.unlink()
    exported = export_predictor(run, "dat", tmp_path / "out", Wishes())
    said = " ".join(differences(exported.provenance))
    assert "dvc.lock has no entry" in said
    assert "has not been evaluated" in said
    card = (exported.folder / "README.md").read_text()
    assert "It was not evaluated." in card
    assert "Not recorded." in card
    assert said.split(".")[0] in card


def test_a_fine_tuned_model_takes_its_encoder_along(run: Path, tmp_path: Path) -> None:
    start = load_start(str(checkpoint(tmp_path / "encoder", "wavlm")), None, ["PQ"], 2)
    weights = {seed: load_weights(make_model(start.recipe), start.weights).state_dict() for seed in (0, 1)}
    folder = run / "data/finetuned/whole"
    folder.mkdir(parents=True)
    details = {"strategy": "whole", "domains": "source", "lambda": 0.1, "scale": [1, 10], "window_seconds": 2.0}
    details |= {"trained_on": "ratings"}
    save_finetuned(folder, start.recipe, details, weights)
    lock = yaml.safe_load((run / "dvc.lock").read_text())
    lock["stages"]["finetune@whole"] = {
        "params": {"params.yaml": {"finetune.encoder": "some/wavlm", "finetune.epochs": 3}},
        "outs": [{"path": "data/finetuned/whole", "md5": folder_md5(folder)}],
    }
    (run / "dvc.lock").write_text(yaml.safe_dump(lock))
    exported = export_predictor(run, "whole", tmp_path / "out", Wishes()).folder
    sound = np.random.default_rng(0).normal(0, 0.1, 40_000)
    one, other = (load(path, "cpu") for path in (exported, folder))
    assert one.trained_on == other.trained_on == "ratings"
    assert one.score(sound, sample_rate=16_000).mean == other.score(sound, sample_rate=16_000).mean
    card = (exported / "README.md").read_text()
    assert "strategy whole, a domain adversary on `source` (lambda 0.1), which reached the encoder too" in card
    assert "wavlm, from some/wavlm" in card
    assert "score.distance" not in card
    with pytest.raises(DatmosError, match="'whole' is a fine-tuned encoder"):
        export_predictor(run, "whole", tmp_path / "onnx", Wishes(onnx=True))
    assert not (tmp_path / "onnx").exists()


def test_a_repository_of_the_hub_is_loaded_by_its_name(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export_predictor(run, "dat", tmp_path / "out", Wishes()).folder
    asked = []

    def download(name: str, **given: Any) -> str:
        asked.append((name, given["revision"]))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load("me/dat", "cpu", revision="v1").name == "dat"
    assert asked == [("me/dat", "v1")]
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"trust_remote_code": false', '"trust_remote_code": true'))
    assert load("me/dat", "cpu").version == load(folder, "cpu").version  # it gives no leave, and needs none


def test_what_is_no_export_is_not_overwritten(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "precious"
    output.mkdir()
    (output / "thesis.tex").write_text("years")
    with pytest.raises(DatmosError, match="exists and is no earlier export; name another"):
        export_predictor(run, "dat", output, Wishes())
    assert (output / "thesis.tex").read_text() == "years"
    (output / "thesis.tex").unlink()
    (output / "README.md").write_text("of another project")
    with pytest.raises(DatmosError, match="exists and is no earlier export; name another"):
        export_predictor(run, "dat", output, Wishes())
    (output / "README.md").unlink()
    export_predictor(run, "dat", output, Wishes())
    assert (output / "README.md").read_text() != "of another project"
    (output / "README.md").write_text("a card that somebody has edited")
    with pytest.raises(DatmosError, match=r"README\.md is not what an earlier export wrote there"):
        export_predictor(run, "dat", output, Wishes())
    assert (output / "README.md").read_text() == "a card that somebody has edited"


def test_what_an_earlier_export_wrote_is_replaced(run: Path, tmp_path: Path) -> None:
    output = export_predictor(run, "dat", tmp_path / "out", Wishes(onnx=True)).folder
    assert list(output.glob("*.onnx"))
    export_predictor(run, "dat", output, Wishes())
    assert not list(output.glob("*.onnx"))
    (output / "config.json").unlink()  # nothing of it is lost
    export_predictor(run, "dat", output, Wishes())
    assert load(output, "cpu").name == "dat"


def test_what_is_added_while_an_export_is_made_is_not_lost(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"

    def late(*arguments: Any) -> str:
        output.mkdir()
        (output / "thesis.tex").write_text("years")
        return "card"

    monkeypatch.setattr("datmos.sharing.export.write_card", late)
    with pytest.raises(DatmosError, match="exists and is no earlier export"):
        export_predictor(run, "dat", output, Wishes())
    assert [path.name for path in output.iterdir()] == ["thesis.tex"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


@pytest.mark.parametrize("content", ["{", "[]", '{"files": 3}', '{"files": {"config.json": 7}}'])
def test_a_provenance_of_somebody_elses(content: str, run: Path, tmp_path: Path) -> None:
    output = export_predictor(run, "dat", tmp_path / "out", Wishes()).folder
    (output / "provenance.json").write_text(content)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(DatmosError, match="out"):
        export_predictor(run, "dat", output, Wishes())
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


@pytest.mark.parametrize("name", ["notes.txt", "data/audio.wav", "one/two/config.json", ".git/objects/a"])
def test_an_export_that_somebody_added_files_to_is_left_as_it_is(run: Path, tmp_path: Path, name: str) -> None:
    folder = export_predictor(run, "dat", tmp_path / "out", Wishes()).folder
    added = folder / name
    added.parent.mkdir(parents=True, exist_ok=True)
    added.write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(DatmosError, match=f"{name.split('/')[0]} is not what an earlier export wrote there"):
        export_predictor(run, "dat", folder, Wishes())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_link_as_output_is_followed_and_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    exported = export_predictor(run, "dat", tmp_path / "link", Wishes())
    assert exported.folder == tmp_path / "real"
    assert (tmp_path / "link").is_symlink()
    assert "is a link; what is written is" in capsys.readouterr().err
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatmosError, match="is a file; the name of a folder is expected"):
        export_predictor(run, "dat", tmp_path / "file", Wishes())
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_whoever_may_read_other_files_may_read_an_export(run: Path, tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        folder = export_predictor(run, "dat", tmp_path / "out", Wishes()).folder
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {mode}


def test_an_unknown_name(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DatmosError, match="no models 'dta'; did you mean 'dat'"):
        export_predictor(run, "dta", tmp_path / "out", Wishes())
    with pytest.raises(DatmosError, match="run `dvc repro train` first"):
        export_predictor(tmp_path, "dat", tmp_path / "out", Wishes())


def test_an_encoder_from_a_folder_needs_a_place_where_others_find_it(run: Path, tmp_path: Path) -> None:
    write_models(run / "data/models/local", kind="drasp", aspects=("PQ",), model=str(tmp_path))
    path = run / "data/models/local/config.json"
    config = json.loads(path.read_text())
    config["encoder_params"]["kind"] = "transformers"
    path.write_text(json.dumps(config))
    with pytest.raises(DatmosError, match=r"is a folder of this machine.*--encoder"):
        export_predictor(run, "local", tmp_path / "out", Wishes())
    commit = "0123456789" * 4
    with pytest.raises(DatmosError, match="ID@COMMIT"):
        export_predictor(run, "local", tmp_path / "out", Wishes(encoder="me/encoder"))
    folder = export_predictor(run, "local", tmp_path / "out", Wishes(encoder=f"me/encoder@{commit}")).folder
    found = json.loads((folder / "config.json").read_text())["encoder_params"]
    assert (found["model"], found["revision"]) == ("me/encoder", commit)
    assert "base_model: me/encoder" in (folder / "README.md").read_text()


class RecordingApi:
    """Stands for HfApi: no hub can be reached from a test."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._error = error

    def create_repo(self, repo_id: str, **given: Any) -> None:
        if self._error:
            raise self._error
        self.calls.append(("create_repo", {"repo_id": repo_id} | given))

    def upload_folder(self, **given: Any) -> None:
        self.calls.append(("upload_folder", given))


def test_push_makes_a_repository_and_uploads_the_folder(tmp_path: Path) -> None:
    api = RecordingApi()
    assert push_folder(tmp_path, "me/dat", private=True, api=api) == "https://huggingface.co/me/dat"
    (first, created), (second, uploaded) = api.calls
    assert (first, second) == ("create_repo", "upload_folder")
    assert created == {"repo_id": "me/dat", "private": True, "exist_ok": True}
    assert (uploaded["repo_id"], uploaded["folder_path"]) == ("me/dat", tmp_path)


def test_push_calls_what_the_real_api_has() -> None:
    from inspect import signature

    from huggingface_hub import HfApi

    assert {"private", "exist_ok"} <= set(signature(HfApi.create_repo).parameters)
    wanted = {"repo_id", "folder_path", "commit_message", "delete_patterns"}
    assert wanted <= set(signature(HfApi.upload_folder).parameters)


def test_a_hub_that_says_no_is_one_message(tmp_path: Path) -> None:
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    for error in (LocalTokenNotFoundError("no token\nmore"), OfflineModeIsEnabled("offline")):
        with pytest.raises(DatmosError, match=r"can't push to 'me/dat' .*The folder is whole.*hf auth login"):
            push_folder(tmp_path, "me/dat", api=RecordingApi(error))
    with pytest.raises(DatmosError, match="can't be the name of a repository"):
        push_folder(tmp_path, "not a name!!")


@pytest.mark.e2e
def test_an_onnx_file_lies_beside_the_weights(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra datmos[onnx] is not installed")
    exported = export_predictor(run, "dat", tmp_path / "out", Wishes(onnx=True))
    assert (exported.folder / "head.onnx").is_file()
    card = (exported.folder / "README.md").read_text()
    assert "`embeddings` (B, 200, 75)" in card


def test_the_lock_is_written_anew_by_the_helper(run: Path) -> None:
    """The helper's lock follows the files, so that the tests above test differences and not the helper."""
    (run / "data/models/dat/more.txt").write_text("another")
    write_lock(run)
    assert describe_provenance(run, "dat", run / "data/models/dat")["dvc"]["differs"] == []


@pytest.mark.takes(8)
def test_the_command_lists_what_it_wrote_and_what_is_odd(run: Path) -> None:
    command = [sys.executable, "-c", "from datmos.commands.main import main; main()", "export"]
    said = subprocess.run([*command, "dat"], cwd=run, capture_output=True, text=True, check=True).stdout
    assert "data/exports/dat/seed_3.safetensors" in said
    assert "not in a git repository" in said
    wrong = subprocess.run([*command, "dta"], cwd=run, capture_output=True, text=True, check=False)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)
    assert "did you mean 'dat'?" in wrong.stderr
