"""The pipeline as a user runs it: what is written, what a change reruns, what a mistake costs."""

import json
import re
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from helpers.project import REPOSITORY, Project
from helpers.published_lists import pam_paths, write_audio, write_subset
from helpers.tiny_encoders import WIDTH, checkpoint

pytestmark = pytest.mark.e2e
STRATEGIES = ["baseline", "dat_source", "dat_kmeans", "dat_multi"]
# settings that leave out strategies: more of the same kind
FEWER = ["~strategies.dat_multi", "~strategies.dat_kmeans", "granularity.strategies=[]"]


AFTER_TRAINING = {"evaluate", "figures", "report"}


def test_a_fresh_run_writes_everything(built: Project) -> None:
    project, written = built, set(built.outputs())
    for name in STRATEGIES:
        assert {f"data/models/{name}/seed_0.safetensors", f"data/models/{name}/seed_1.safetensors"} <= written
        assert {f"data/predictions/{name}.parquet", f"data/h/{name}.npz", f"data/curves/{name}.csv"} <= written
    pictures = ["forest", "umap_dat_source", "terrain", "planted", "slopes", "granularity"]
    assert {f"plots/figures/{name}.png" for name in pictures} <= written
    manifest = pd.read_parquet(project.folder / "data/manifest.parquet")
    expected = {"train": 24, "valid": 12, "eval": 6, "counterfactual": 18}
    assert manifest.groupby("split").size().to_dict() == expected
    predicted = pd.read_parquet(project.folder / "data/predictions/baseline.parquet")
    assert set(predicted["clip_id"]) == set(manifest.loc[manifest["split"] != "train", "clip_id"])
    table = (project.folder / "metrics/tables/table1.md").read_text()
    assert all(f"| {name} |" in table for name in STRATEGIES)
    assert "PQ MSE" in table
    shortcuts = (project.folder / "metrics/tables/shortcuts.md").read_text()
    assert "| signature_sensitivity |" in shortcuts
    assert shortcuts.count("| dat_source |") == 2
    report = (project.folder / "plots/report.html").read_text()
    assert "separably better than baseline in" in report or "does not show that any strategy" in report
    assert report.count("data:image/png;base64,") == 10
    assert project.run("git", "status", "--porcelain").stdout == ""
    scores = json.loads((project.folder / "metrics/scores.json").read_text())
    assert list(scores) == [*STRATEGIES, "ridge"]
    assert list(scores["ridge"]) == ["PQ", "PC"]
    assert list(scores["ridge"]["PQ"]) == ["mse", "srcc"]


def test_git_holds_scores_tables_pictures_and_two_charts(built: Project) -> None:
    tracked = built.run("git", "ls-files", "metrics", "plots").stdout.split()
    texts = [name for name in tracked if name.endswith((".json", ".csv", ".md"))]
    assert {name for name in texts if not name.startswith("metrics/tables/")} == {
        "metrics/scores.json",
        "plots/scores.csv",
    }
    assert len(texts) < 20
    shown = built.run("dvc", "metrics", "show", "--json").stdout
    assert list(json.loads(shown)[""]["data"]) == ["metrics/scores.json"]


@pytest.mark.takes(70)
def test_what_reruns_when_nothing_or_k_or_lambda_or_the_ablation_changes(project: Project) -> None:
    """One sequence of runs, each on what the last has left."""
    result = project.run("dvc", "repro")
    assert "Running stage" not in result.stdout
    assert "up to date" in result.stdout

    lock = project.folder / "dvc.lock"
    first = yaml.safe_load(lock.read_text())["stages"]
    of_k = {"train@dat_kmeans", "train@dat_multi"}
    assert project.stages_run("dvc", "exp", "run", "-S", "kmeans.k=2") == AFTER_TRAINING | {"domains"} | of_k
    assert "kmeans.k" in project.run("dvc", "params", "diff").stdout
    shown = project.run("dvc", "metrics", "diff").stdout.splitlines()
    assert len(shown) <= 1 + 2 * 2 * 2  # heading; strategies, aspects, metrics
    assert {line.split()[1].split(".")[0] for line in shown[1:]} == {"dat_kmeans", "dat_multi"}
    assert "| metrics/scores.json |" in project.run("dvc", "metrics", "diff", "--md").stdout
    wide = project.run("dvc", "exp", "show", "--no-pager", "--only-changed", "--drop", "Created|.*mse").stdout
    assert max(map(len, wide.splitlines())) <= 200
    # back to the first K: DVC's run-cache brings domains and models back, and nothing is trained
    assert project.stages_run("dvc", "exp", "run", "-S", "kmeans.k=3", "train") & of_k == set()
    stages = yaml.safe_load(lock.read_text())["stages"]
    assert {name: stages[name] for name in of_k} == {name: first[name] for name in of_k}

    settings = ("-S", "strategies.dat_source.lambda=0.3", "-S", "granularity.k=[]")
    expected = AFTER_TRAINING | {"train@dat_source", "granularity@dat_kmeans"}
    assert project.stages_run("dvc", "exp", "run", *settings) == expected
    stage = yaml.safe_load(lock.read_text())["stages"]["train@dat_source"]
    assert stage["params"]["params.yaml"]["strategies.dat_source"]["lambda"] == 0.3

    # the ablation alone: nothing is trained but its own models
    stages = project.stages_run("dvc", "exp", "run", "-S", "granularity.k=[2,3]")
    assert stages == {"granularity@dat_kmeans"} | AFTER_TRAINING
    ablation = json.loads((project.folder / "data/details/granularity.json").read_text())
    assert list(ablation["dat_kmeans"]) == ["2", "3"]


@pytest.mark.takes(30)
def test_nothing_of_a_strategy_that_is_gone_is_left(project: Project) -> None:
    """Neither here nor for the next person, who has git's files and DVC's cache."""
    result = project.run("dvc", "exp", "run", "-S", "~strategies.dat_multi")
    for folder in ("predictions/dat_multi.parquet", "h/dat_multi.npz", "curves/dat_multi.csv"):
        assert f"removed data/{folder}: params.yaml has no 'dat_multi' any more" in result.stdout
    assert "dat_multi" not in (project.folder / "metrics/scores.json").read_text()
    assert "up to date" in project.run("dvc", "status").stdout
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "-m", "without")
    project.run("git", "checkout", "--quiet", "HEAD~")
    project.run("dvc", "checkout", "--quiet", "--force")
    assert "up to date" in project.run("dvc", "status").stdout
    project.run("git", "checkout", "--quiet", "-")
    shutil.rmtree(project.folder / "data/predictions")
    project.run("dvc", "checkout", "--quiet", "--force")
    assert "up to date" in project.run("dvc", "status").stdout


def test_selection_is_a_command_and_says_how_to_adopt_what_it_found(project: Project) -> None:
    command = ["python", "-m", "datmos.commands.main", "select", "dat_source", "--lambda", "0.1", "0.5"]
    said = project.run(*command, "--criterion", "training_domain").stdout
    path = project.folder / "metrics/selection/dat_source_training_domain.json"
    assert [one["lambda"] for one in json.loads(path.read_text())["candidates"]] == [0.0, 0.1, 0.5]
    assert re.search(r"To adopt it: dvc exp run -S strategies\.dat_source\.lambda=", said)
    # as it is written for an aspect that loses
    settings = ["-S", "strategies.dat_source.lambda=0.2", "-S", "++strategies.dat_source.spare=[PC]"]
    project.run("dvc", "exp", "run", *settings, "--single-item", "train@dat_source")
    assert load_params(project.folder / "params.yaml").strategies["dat_source"].spare == ("PC",)


def test_rival_strategies_are_entries(project: Project) -> None:
    project.run("python", "-m", "datmos.commands.main", "apply", "presets/rivals.yaml")
    targets = ["train@aesa", "train@drasp"]
    assert project.stages_run("dvc", "repro", *targets) == set(targets)
    for name in ("aesa", "drasp"):
        found = pd.read_parquet(project.folder / f"data/predictions/{name}.parquet")[["PQ", "PC"]]
        assert found.abs().max(axis=None) < 100


def checkpoints_of(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.safetensors")}


@pytest.mark.takes(30)
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(project: Project) -> None:
    path = project.folder / "params.yaml"
    path.write_text(path.read_text().replace("epochs: 2", "epochs: 60"))
    checkpoints, models = project.folder / ".cache/training", project.folder / "data/models/dat_multi"
    command = ["python", "stages/train.py", "dat_multi"]
    project.run(*command)
    whole = {file.name: file.read_bytes() for file in models.iterdir()}
    said = {}
    for ending in (signal.SIGINT, signal.SIGKILL):
        before = checkpoints_of(checkpoints)
        process = project.start(*command)
        while checkpoints_of(checkpoints) == before:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(ending)
        said[process.wait()] = process.stderr.read().decode() if process.stderr else ""
    assert set(said) == {130, -signal.SIGKILL}
    *_, line = said[130].splitlines()
    assert re.fullmatch(r"stopped\. The next run of this training goes on after epoch \d+\.", line), said[130]
    assert "Traceback" not in said[130]
    first = re.search(r"(\d+)/\d+ \[", project.run(*command).stderr)
    assert first is not None
    assert int(first[1]) > 0  # it does not begin anew
    assert {file.name: file.read_bytes() for file in models.iterdir()} == whole
    assert list(checkpoints.iterdir()) == []


@pytest.mark.takes(60)
def test_an_experiment_beside_the_workspace_gives_the_same_bytes_and_leaves_the_workspace_alone(
    project: Project,
) -> None:
    """`--queue` runs in a copy, on the copy's code: stages set PYTHONPATH for that.

    With `--force` it is a second run from nothing, too: all that the change does not reach has the same bytes.
    """
    before, first = project.outputs(), project.outs()
    project.run("dvc", "exp", "run", "--queue", "--force", "-S", "strategies.dat_multi.dropout=0.4")
    said = project.run("dvc", "exp", "run", "--run-all").stdout
    assert project.outputs() == before
    assert set(re.findall(r"Running stage '([^']+)'", said)) == set(first)
    assert "Success" in project.run("dvc", "exp", "show", "--csv", "--no-pager").stdout
    (experiment,) = project.run("dvc", "exp", "list", "--name-only").stdout.split()
    project.run("dvc", "exp", "apply", experiment)
    changed = {stage for stage, outs in project.outs().items() if outs != first[stage]}
    assert {"train@dat_multi", "evaluate", "report"} <= changed <= {"train@dat_multi"} | AFTER_TRAINING


@pytest.mark.takes(30)
@pytest.mark.parametrize("folder", ["clips", "data/mine"])
def test_a_copy_of_the_project_holds_own_audio_that_dvc_knows(project: Project, folder: str) -> None:
    """`--temp` and `--queue` copy what git and DVC track; `datmos check data` says what they would lack."""
    check = ["python", "-m", "datmos.commands.main", "check", "data"]
    shutil.copytree(project.folder / "data/corpus", project.folder / folder)
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    params["data"] |= {"kind": "ratings", "root": folder}
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
    told = project.run(*check).stdout
    assert f"a copy of this project does not hold {folder}. Type `dvc add {folder}`" in told
    project.run("dvc", "add", folder)
    assert "a copy" not in project.run(*check).stdout
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "-m", "my clips")
    assert not project.run("git", "ls-files", "*.wav", "*.flac").stdout
    said = project.run("dvc", "exp", "run", "--temp", "-S", "data.max_excluded=0.5", "manifest").stdout
    assert "Running stage 'manifest'" in said


@pytest.mark.takes(20)
def test_a_name_in_params_is_never_a_command(project: Project) -> None:
    """DVC starts stages before anything of ours has looked at the names."""
    ways = [
        "x; touch PWNED #",
        "$(touch PWNED)",
        "`touch PWNED`",
        "x' ; touch PWNED ; '",
        'x" ; touch PWNED ; "',
        "x\ntouch PWNED",
    ]
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["strategies"] |= dict.fromkeys(ways, params["strategies"]["dat_source"])
    params["granularity"]["strategies"] += ways
    path.write_text(yaml.safe_dump(params))
    result = project.run("dvc", "repro", "--keep-going", check=False)
    started = re.findall(r"Running stage '(?:train|granularity)@(.*?)':\n>", result.stdout, re.DOTALL)
    assert set(ways) <= set(started)
    assert result.stderr.count("strategies") >= len(ways)
    assert not list(project.folder.rglob("PWNED"))


def test_how_embeddings_are_computed_reruns_nothing(project: Project) -> None:
    settings = ["embed.workers=1", "embed.batch_size=4", "embed.cache=elsewhere"]
    options = [part for setting in settings for part in ("-S", setting)]
    assert project.stages_run("dvc", "exp", "run", *options) == set()


@pytest.mark.takes(20)
def test_two_processes_give_the_same_embeddings(project: Project) -> None:
    """A launcher is part of the command, so DVC runs the stage again; nothing after it changes."""
    before = project.outputs()
    # not accelerate launch: on a CPU it starts a single process, whatever --num_processes says
    launcher = "embed.launcher=torchrun --nproc_per_node 2"
    assert project.stages_run("dvc", "exp", "run", "-S", launcher, "-S", "embed.cache=null") == {"embed"}
    assert project.outputs() == before


def test_another_encoder_and_another_layer_for_the_clusters(project: Project, tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "model", "xls-r")
    settings = ["encoder.kind=transformers", f"encoder.model={model}", "encoder.layer=1", "kmeans.layer=2"]
    options = [part for setting in settings for part in ("-S", setting)]
    stages = project.stages_run("dvc", "exp", "run", *options, "domains")
    assert stages == {"embed", "domains"}
    store = EmbeddingStore(project.folder / "data/embeddings")
    assert (store.info["layers"], store.info["pooled_layer"]) == ([1], 2)
    assert store.frames.shape[1:] == (WIDTH, 100)
    assert str(tmp_path) not in json.dumps(store.info)
    means = store.frames.astype("float32").mean(axis=2)
    assert abs(means - store.pooled).max() > 0.1  # the clusters' layer is not the head's


def test_a_rate_that_dvc_writes_as_text(project: Project) -> None:
    result = project.run("dvc", "repro", "--dry", check=False)
    assert result.returncode == 0
    project.run("dvc", "exp", "run", "-S", "train.learning_rate=1e-5", "train@baseline", "--single-item")
    assert "learning_rate: 1e-05" in (project.folder / "params.yaml").read_text()
    assert (project.folder / "data/models/baseline/seed_1.safetensors").is_file()


def test_a_mistake_is_one_message_and_leaves_earlier_outputs(project: Project) -> None:
    """One that a cheap stage finds; what else can be wrong with a setting, and in which words: tests/params."""
    before = project.outputs()
    result = project.run("dvc", "exp", "run", "-S", "kmeans.k=25", check=False)
    assert result.returncode != 0
    for word in ("kmeans.k", "25", "24 train clips"):
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert project.outputs() == before


def test_a_mistake_in_a_strategy_costs_nothing_that_dvc_cannot_bring_back(project: Project) -> None:
    """One that a training finds, whose earlier outputs DVC removes before it starts."""
    before = project.outputs()
    result = project.run("dvc", "exp", "run", "-S", "train.learning_rate=1e9", check=False)
    assert result.returncode != 0
    assert "training diverged" in result.stderr
    assert "Traceback" not in result.stderr
    project.run("git", "checkout", "--quiet", "--force", ".")
    project.run("dvc", "checkout", "--quiet", "--force")
    assert project.outputs() == before


def test_a_wrong_ratings_file(project: Project, tmp_path: Path) -> None:
    """One in a file of the user's; what else can be wrong with it: tests/datasets/test_ratings.py."""
    (tmp_path / "ratings.csv").write_text("path,split,category,sourc,system,PQ\n0.wav,train,speech,A,,3\n")
    before = project.outputs()
    options = ("-S", "data.kind=ratings", "-S", f"data.root={tmp_path}", "-S", "data.aspects=[PQ]")
    result = project.run("dvc", "exp", "run", *options, check=False)
    assert result.returncode != 0
    for word in ("column 'source' is missing", "did you mean 'sourc'"):
        assert word in result.stderr
    assert project.outputs() == before


COSTLY = ("embed", "train@", "granularity@", "finetune@")
RESULTS = ("evaluation", "comparison", "report", "scoring", "sharing", "commands", "params")


def test_edits_of_results_and_of_the_schema_rerun_no_costly_stage(project: Project) -> None:
    for file in (file for package in RESULTS for file in (project.folder / "src/datmos" / package).rglob("*.py")):
        file.write_text(file.read_text() + "\n# edited\n")
    status = json.loads(project.run("dvc", "status", "--json").stdout)
    assert set(status) >= AFTER_TRAINING
    assert not [stage for stage in status if stage.startswith(COSTLY)]


def test_an_edit_of_the_loop_trains_again(project: Project) -> None:
    file = project.folder / "src/datmos/training/loop.py"
    file.write_text(file.read_text() + "\n# edited\n")
    status = json.loads(project.run("dvc", "status", "--json").stdout)
    assert {"train@baseline", "granularity@dat_kmeans"} <= set(status)
    assert "embed" not in status


@pytest.mark.takes(40)
def test_ratings_of_ones_own_with_hostile_files_among_them(project: Project, tmp_path: Path, shared: Path) -> None:
    """Every file of shared/bad is used or excluded with a reason. Names that pandas takes for missing are names."""
    corpus = project.folder / "data/corpus"
    table = pd.read_csv(corpus / "ratings.csv", keep_default_na=False)
    table = table[table["split"] != "counterfactual"].rename(columns={"PQ": "NA", "PC": "None"})[
        ["path", "split", "category", "source", "system", "NA", "None"]
    ]
    table["source"] = table["source"].replace({table["source"].iloc[0]: "null"})
    hostile = sorted(path.name for path in (shared / "bad").iterdir() if path.suffix != ".md")
    rows = pd.DataFrame({"path": [f"bad/{name}" for name in hostile], "split": "train", "category": "speech",
                         "source": "bad", "system": "", "NA": 2.0, "None": 3.0})  # fmt: skip
    pd.concat([table, rows]).to_csv(tmp_path / "ratings.csv", index=False)
    (corpus / "audio").rename(tmp_path / "audio")  # away: for this kind the corpus stage leaves only a marker
    shutil.copytree(shared / "bad", tmp_path / "bad")  # no link: that would be the reason for all
    settings = ["data.kind=ratings", f"data.root={tmp_path}", "data.aspects=[NA,None]", "data.max_excluded=0.5"]
    project.run("dvc", "exp", "run", *(part for s in (*settings, *FEWER) for part in ("-S", s)))
    manifest = pd.read_parquet(project.folder / "data/manifest.parquet")
    excluded = pd.read_csv(project.folder / "data/excluded.csv")
    assert (manifest["source"] == "null").any()
    used = manifest[manifest["source"] == "bad"]
    assert sorted([*used["path"], *excluded["path"]]) == sorted(rows["path"])
    assert excluded["reason"].str.len().min() > 3
    scores = json.loads((project.folder / "data/details/strategies.json").read_text())["dat_source"]
    assert set(scores) == {"NA", "None"}
    assert "error_eta2_source" in scores["NA"]["shortcut"]
    assert "signature_sensitivity" not in scores["NA"]["shortcut"]  # no counterfactual clips, no such metric
    assert "true" not in scores["NA"]
    assert (project.folder / "plots/figures/slopes.png").is_file()  # and no failure for want of them


@pytest.mark.takes(40)
def test_a_single_eval_clip_ends_with_na_where_nothing_can_be_said(project: Project, tmp_path: Path) -> None:
    corpus = project.folder / "data/corpus"
    table = pd.read_csv(corpus / "ratings.csv", keep_default_na=False)
    table = table[table["split"] != "counterfactual"].drop(columns=["PQ_ratings", "PC_ratings", "base"])
    table["source"] = table["source"].replace({table["source"].iloc[0]: "\ud55c\uad6d\uc5b4"})
    first = table.index[table["split"] == "eval"][0]
    table[(table["split"] != "eval") | (table.index == first)].to_csv(tmp_path / "ratings.csv", index=False)
    (corpus / "audio").rename(tmp_path / "audio")
    settings = ["data.kind=ratings", f"data.root={tmp_path}"]
    result = project.run("dvc", "exp", "run", *(part for s in (*settings, *FEWER) for part in ("-S", s)))
    assert "Glyph" not in result.stderr
    tables = project.folder / "metrics/tables"
    text = "".join(path.read_text() for path in tables.glob("*.md"))
    assert "nan" not in text
    assert "n/a" in (tables / "table1.md").read_text()
    rows = [line for line in (tables / "table1.md").read_text().splitlines() if line.startswith("| dat_source")]
    assert rows
    assert not any("[" in row for row in rows)


def test_the_papers_lists_without_audio_say_what_is_missing(project: Project, shared: Path) -> None:
    settings = ("-S", "data.kind=audiomos2025", "-S", f"data.root={shared / 'aes-natural'}")
    before = project.outputs()
    result = project.run("dvc", "exp", "run", *settings, check=False)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    for words in (
        "3060 of 3060 eval clips can't be used (generated 3060 of 3060);",
        "2700 of 2700 train clips can't be used (AudioSet 900 of 900, CommonVoice 476 of 476, EARS 141 of 141, ",
        "250 of 250 valid clips",
    ):
        assert words in result.stderr
    assert "audiomos2025-track2-sys0v1wm-utt0dJodp: not found: no audio file named" in result.stderr
    changed = {name for name, digest in project.outputs().items() if before.get(name) != digest}
    assert changed <= {"data/corpus.json", "data/corpus/unused.txt"}


@pytest.mark.takes(90)
def test_the_papers_run_on_its_lists_with_stand_in_audio(project: Project, tmp_path: Path, shared: Path) -> None:
    """presets/paper.yaml, shrunk in encoder, clips, epochs and seeds; the real labels, and PAM beside them."""
    root = project.folder / "aes"
    names = write_subset(shared / "aes-natural", root, train=60, valid=20, per_system=3)
    (root / "AES_PAM.jsonl").symlink_to(shared / "aes-natural/AES_PAM.jsonl")
    write_audio(root / "audio", [*names[1:], *pam_paths(shared / "aes-natural")[::25]])
    project.run("python", "-m", "datmos.commands.main", "apply", "presets/paper.yaml")
    kinds, model = ["multigauss", "dat_source", "drasp"], checkpoint(tmp_path / "model", "xls-r")
    preset = yaml.safe_load((project.folder / "params.yaml").read_text())["strategies"]
    assert set(kinds) < set(preset)
    small = tmp_path / "small.yaml"
    small.write_text(
        f"encoder: {{model: {model}, revision: null, layer: 2}}\naudio: {{clip_seconds: 2.0}}\n"
        "train: {epochs: 2}\nseeds: [0, 1]\ngranularity: {strategies: []}\numap: {strategies: [dat_source]}\n"
        "evaluate: {references: [ridge]}\nevaluation_sets: {pam: {max_excluded: 0.97}}\n"
        # one of a kind: plain, with an adversary, with another head
        f"strategies: {{{', '.join(f'{name}: null' for name in preset if name not in kinds)}}}\n"
        # the second backbone has tests of its own, and needs weights
        "finetune:\n  baselines: []\n  published: {audiobox: null}\n"
        "  strategies: {audiobox_baseline: null, audiobox_dat_source: null, audiobox_dat_kmeans: null}\n"
    )
    project.run("python", "-m", "datmos.commands.main", "apply", str(small))
    project.run("dvc", "repro")
    summary = json.loads((project.folder / "data/details/manifest.json").read_text())
    assert {split: own["clips"] for split, own in summary.items()} == {"train": 59, "valid": 20, "eval": 108}
    assert summary["train"]["excluded_sources"] == {"AudioSet": 1}
    assert summary["eval"]["systems"] == 36
    assert len(summary["train"]["sources"]) == 6
    ceilings = json.loads((project.folder / "data/details/ceilings.json").read_text())
    assert ceilings["PQ"]["utterance"]["srcc"] > 0.5  # the ten single ratings are there
    pam = project.folder / "metrics/sets/pam"
    assert json.loads((pam / "manifest.json").read_text())["eval"]["clips"] == 40
    details = project.folder / "data/sets/pam/details"
    assert json.loads((details / "ceilings.json").read_text())["PQ"]["utterance"]["srcc"] > 0.5
    scores = json.loads((details / "strategies.json").read_text())["dat_source"]["PQ"]
    assert scores["evaluated_on"] == {"systems": 10, "clips": 40, "seeds": [0, 1]}
    ours, theirs = ((folder / "tables/table1.md").read_text() for folder in (project.folder / "metrics", pam))
    assert all(f"| {name} |" in ours and f"| {name} |" in theirs for name in kinds)
    assert "| *MultiGauss (paper)* | 0.557 | 0.942 |" in ours  # what is published, of these clips alone
    assert "(paper)" not in theirs
    assert "Evaluation set pam: agreement with listeners" in (project.folder / "plots/report.html").read_text()
    # a strategy that changes is trained and scored on both; nothing is embedded
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["strategies"]["dat_source"]["lambda"] = 0.3
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    assert project.stages_run("dvc", "repro", "--dry") == {"train@dat_source", "set_evaluate@pam"} | AFTER_TRAINING


@pytest.mark.parametrize("preset", sorted(path.stem for path in (REPOSITORY / "presets").glob("*.yaml")))
def test_dvc_accepts_every_preset(tmp_path: Path, preset: str) -> None:
    """All stages are resolved and checked, as by `dvc repro --dry`, which would want outputs of a run besides."""
    for name in (".dvc/config", "dvc.yaml", "params.yaml", f"presets/{preset}.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    fresh = Project(tmp_path)
    fresh.run("git", "init", "--quiet")
    fresh.run("python", "-m", "datmos.commands.main", "apply", f"presets/{preset}.yaml")
    listed = set(fresh.run("dvc", "stage", "list", "--name-only").stdout.split())
    params = load_params(tmp_path / "params.yaml")
    assert {f"train@{name}" for name in params.strategies} <= listed
    assert {f"set_evaluate@{name}" for name in params.evaluation_sets} <= listed


def test_an_unknown_key_stops_the_first_stage_that_runs(project: Project) -> None:
    (project.folder / "params.yaml").write_text(
        (project.folder / "params.yaml").read_text().replace("max_excluded", "max_exclude")
    )
    result = project.run("dvc", "repro", check=False)
    assert result.returncode != 0
    assert "data.max_exclude: unknown key" in result.stderr
    assert "did you mean 'max_excluded'" in result.stderr
