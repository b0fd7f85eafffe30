"""params.yaml: what is coerced, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from datmos.comparison.rivals import find_rivals
from datmos.core.errors import DatmosError
from datmos.embedding.settings import ENCODERS
from datmos.params.schema import Params, check_params, load_params
from helpers.places import REPOSITORY

DEFAULT = REPOSITORY / "params.yaml"


DRASP_ERASED = {"domains": "source", "lambda": 0, "dropout": 0, "l2": 0, "head": "drasp", "erase": "source"}


def load_with(tmp_path: Path, key: str, value: Any) -> Any:
    raw = yaml.safe_load(DEFAULT.read_text())
    section = raw
    *parents, last = key.split(".")
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return load_params(path)


def test_the_default_is_valid_and_all_adversaries_weigh_the_same() -> None:
    params = load_params(DEFAULT)
    lambdas = {name: (s.domains, s.lambda_) for name, s in params.strategies.items() if s.adversarial}
    assert lambdas == {
        "dat_source": ("source", (0.5,)),
        "dat_kmeans": ("kmeans", (0.5,)),
        "dat_random": ("random", (0.5,)),
        "dat_multi": ("source_kmeans", (0.5, 0.1)),
        "dat_aspect": ("source", (0.5,)),
        "multigauss_dat_source": ("source", (0.5,)),
    }
    assert params.kmeans.k == 8


def test_a_number_that_dvc_wrote_as_text_is_a_number(tmp_path: Path) -> None:
    assert load_with(tmp_path, "train.learning_rate", "1e-05").train.learning_rate == 1e-5
    assert load_with(tmp_path, "kmeans.k", "6").kmeans.k == 6


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kmeans.kk", 6, ["kmeans.kk", "unknown key", "6", "did you mean 'k'"]),
        ("trian.epochs", 3, ["trian", "unknown key", "did you mean 'train'"]),
        ("strategies.dat_source.lamda", 0.3, ["strategies.dat_source.lamda", "did you mean 'lambda'"]),
        ("strategies.dat_source.lambda", -1, ["strategies.dat_source.lambda", "greater than or equal to 0", "-1"]),
        ("strategies.dat_source.domains", "kmean", ["strategies.dat_source.domains", "did you mean 'kmeans'"]),
        ("strategies.new", {"lambda": 1}, ["strategies.new.domains", "missing"]),
        ("kmeans.k", 1, ["kmeans.k", "greater than or equal to 2", "got 1"]),
        ("kmeans.k", "many", ["kmeans.k", "valid integer", "'many'"]),
        ("kmeans.k", 2.5, ["kmeans.k", "valid integer", "2.5"]),
        ("kmeans.k", True, ["kmeans.k", "number", "True"]),
        ("train.learning_rate", float("nan"), ["train.learning_rate", "finite"]),
        ("train.batch_size", 0, ["train.batch_size", "greater than or equal to 1"]),
        ("seeds", [], ["seeds", "at least 1"]),
        ("seeds", [1, 1], ["seeds", "no value twice"]),
        ("encoder.kind", "distilmos", ["encoder.kind", "did you mean 'distillmos'"]),
        ("encoder.kind", "transformers", ["encoder", "needs model", "facebook/wav2vec2-xls-r-2b"]),
        ("encoder.layer", -1, ["encoder.layer", "greater than or equal to 0"]),
        ("encoder.revision", "main", ["encoder", "set revision to null"]),
        ("evaluate.baseline", "baselin", ["evaluate.baseline", "did you mean 'baseline'"]),
        ("embed.frames", False, ["strategies.multigauss.head: multigauss reads frames", "use head statistics"]),
        (
            "strategies.l2.train",
            {"epoch": 3},
            ["strategies.l2.train: unknown key 'epoch'", "did you mean 'epochs'"],
        ),
        (
            "strategies.l2.train",
            {"epochs": 0},
            ["strategies.l2.train.epochs", "greater than or equal to 1", "got 0"],
        ),
        ("train.checkpoint", "last", ["train.checkpoint", "did you mean 'last_half'"]),
        ("evaluate.references", ["rigde"], ["evaluate.references.0", "did you mean 'ridge'"]),
        ("evaluate.references", ["svr", "svr"], ["evaluate.references", "no value twice"]),
        ("granularity.k", [4, 4], ["granularity.k", "no value twice"]),
        ("granularity.k", [1], ["granularity.k", "greater than or equal to 2"]),
        ("granularity.strategies", ["dat_kmean"], ["granularity.strategies", "did you mean 'dat_kmeans'"]),
        ("granularity.strategies", ["dat_source"], ["granularity.strategies", "'dat_source' are 'source'"]),
        ("umap.strategies", [], ["umap.strategies", "at least 1"]),
        ("umap.strategies", ["dat_sorce"], ["umap.strategies", "did you mean 'dat_source'"]),
        ("umap.aspect", "XX", ["umap.aspect", "'XX' is not one of data.aspects: PQ, PC, CE, CU"]),
        ("umap.split", "dev", ["umap.split", "'train' or 'valid'", "'dev'"]),
        ("data.kind", "rating", ["data.kind", "did you mean 'ratings'"]),
        ("data.kind", "ratings", ["data", "root", "your ratings"]),
        ("data.root", "elsewhere", ["data", "root", "data/corpus", "elsewhere"]),
        ("data.scale", [5, 1], ["data", "scale", "below"]),
        ("data.aspects", ["PQ", "PQ"], ["data", "aspects", "once"]),
        ("data.aspects", ["PQ", "system"], ["data", "aspects", "system is the name of another column"]),
        ("data.aspects", ["PQ", "distance"], ["data", "aspects", "distance is the name of another column"]),
        ("data.aspects", ["PQ", "error"], ["data", "aspects", "error is the name of another column", "seconds"]),
        ("data.aspects", ["a", "b", "cov_a_b"], ["data", "aspects", "cov_a_b", "covariance of a and b"]),
        ("data.aspects", ["PQ", "PQ_true"], ["data", "aspects", "PQ_true must not end in"]),
        ("data.aspects", [], ["data.aspects", "at least 1"]),
        ("data", 3, ["data", "got 3"]),
        ("corpus.systems", 35, ["corpus.systems", "multiple of 3"]),
        ("train.optimiser", "adamm", ["train.optimiser", "did you mean 'adam'"]),
        ("train.gradient_clip", 0, ["train.gradient_clip", "greater than 0"]),
        ("strategies.dat_source.head", "drsp", ["strategies.dat_source.head", "did you mean 'drasp'"]),
        ("strategies.dat_source.loss", "quamro", ["strategies.dat_source.loss", "did you mean 'qamro'"]),
        ("strategies.dat_source.lambda", [0.5, 0.1], ["lambda: domains source need 1", "[0.5, 0.1]"]),
        ("strategies.dat_multi.lambda", 0.5, ["domains source_kmeans need 2, one for source and one for kmeans"]),
        ("strategies.erased.erase", "kmeans", ["strategies.erased.erase: none, or one of the domains (source)"]),
        ("strategies.l2.erase_rank", 2, ["erase_rank", "a strategy with erase"]),
        ("strategies.dat_source", DRASP_ERASED, ["erase: it works with heads statistics, multigauss", "drasp"]),
        ("strategies.multigauss.spare", ["PQ"], ["spare", "for head statistics", "multigauss"]),
    ],
)
def test_refusals_name_key_value_and_what_is_expected(
    tmp_path: Path, key: str, value: Any, words: list[str]
) -> None:
    with pytest.raises(DatmosError) as error:
        load_with(tmp_path, key, value)
    for word in words:
        assert word in str(error.value)


def test_an_encoder_of_a_new_kind_without_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "new", "datmos.embedding.encoders.new.NewEncoder")
    with pytest.raises(DatmosError, match="encoder: kind new needs model") as caught:
        load_with(tmp_path, "encoder.kind", "new")
    assert "for example" not in str(caught.value)


def test_a_strategy_must_not_be_named_like_a_reference(tmp_path: Path) -> None:
    strategies = yaml.safe_load(DEFAULT.read_text())["strategies"]
    with pytest.raises(DatmosError, match=r"evaluate\.references: ridge is the name of a strategy too"):
        load_with(tmp_path, "strategies", strategies | {"ridge": strategies["l2"]})


def test_aspects_that_adversaries_leave_alone(tmp_path: Path) -> None:
    raw = yaml.safe_load(DEFAULT.read_text())
    raw["data"]["aspects"] = ["CU", "PC", "PQ"]
    raw["strategies"]["new"] = raw["strategies"]["dat_aspect"] | {"spare": ["PC", "no_aspect_of_these_data"]}
    strategy = Params.model_validate(raw).strategies["new"]
    assert strategy.groups_of(["CU", "PC", "PQ"]) == (("CU", "PQ"), ("PC",))
    assert strategy.groups_of(["CU", "PQ"]) == (("CU", "PQ"),)
    with pytest.raises(DatmosError, match=r"strategies\.new\.spare: these are all of data\.aspects"):
        load_with(tmp_path, "strategies.new", raw["strategies"]["new"] | {"spare": ["PQ", "PC", "CE", "CU"]})


def test_all_that_is_compared(tmp_path: Path) -> None:
    raw = yaml.safe_load(DEFAULT.read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    rivals = find_rivals(load_params(tmp_path / "params.yaml"))
    assert rivals.all == [*raw["strategies"], *raw["evaluate"]["references"]]
    raw["finetune"] |= {
        "strategies": {"tuned": {"domains": "source", "lambda": 0.5}},
        "published": {"meta": {"model": "x"}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    rivals = find_rivals(load_params(tmp_path / "params.yaml"))
    assert rivals.all == [*raw["strategies"], "tuned", "meta", *raw["evaluate"]["references"]]
    assert rivals.trained == [*raw["strategies"], "tuned"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "strategies",
            {"l2": {"domains": "source", "lambda": 0.5}},
            r"finetune\.strategies: l2 is the name of a strategy too",
        ),
        (
            "strategies",
            {"a": {"domains": "source_kmeans", "lambda": 0.5}},
            r"finetune\.strategies\.a: lambda: .*need 2",
        ),
        ("strategies", {"a": {"domains": "source", "lamda": 0.5}}, "did you mean 'lambda'"),
        ("published", {"svr": {"model": "x"}}, r"finetune\.published: svr is the name"),
        ("baselines", ["nobody"], r"finetune: baselines: unknown strategy 'nobody'"),
        ("learning_rate", 0, r"finetune\.learning_rate"),
    ],
)
def test_mistakes_in_the_second_backbone(tmp_path: Path, key: str, value: Any, words: str) -> None:
    with pytest.raises(DatmosError, match=words):
        load_with(tmp_path, f"finetune.{key}", value)


def test_a_missing_key_and_a_missing_file(tmp_path: Path) -> None:
    raw = yaml.safe_load(DEFAULT.read_text())
    del raw["train"]["epochs"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(DatmosError, match=r"train\.epochs: missing"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(DatmosError, match="no such file"):
        load_params(tmp_path / "absent.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(DatmosError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("setting", "old", "new"),
    [
        ("kmeans.k=6", "  k: 8\n", "  k: 6\n"),
        ("strategies.dat_kmeans.lambda=0.25", "{domains: kmeans, lambda: 0.5,", "{domains: kmeans, lambda: 0.25,"),
        ("train.epochs=30", "  epochs: 60\n", "  epochs: 30\n"),
    ],
)
def test_an_experiment_changes_one_line_of_params(tmp_path: Path, setting: str, old: str, new: str) -> None:
    """`dvc exp run -S` writes the whole file anew: params.yaml is in the form that DVC gives it."""
    from dvc.utils.hydra import apply_overrides

    text, path = DEFAULT.read_text(), tmp_path / "params.yaml"
    assert text.count(old) == 1
    path.write_text(text)
    apply_overrides(path, [setting])
    assert path.read_text() == text.replace(old, new)


@pytest.mark.parametrize(
    "place", ["kmeans: {k: %s}", "train: %s", "more: %s", "data: {aspects: %s}", "strategies: {x: %s}"]
)
def test_a_wrong_value_of_any_size_is_a_short_message(place: str) -> None:
    """Aliases of YAML make gigabytes of a few bytes."""
    bomb = "a0: &a0 [" + "x" * 60 + "]\n"
    bomb += "".join(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]\n" for n in range(1, 12))
    with pytest.raises(DatmosError) as caught:
        check_params(bomb + place % "*a11", "params.yaml")
    assert len(str(caught.value)) < 30_000
