"""Selection: what each rule learns from and scores, that eval ratings are never read, and sums by hand."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

import datmos.ablations.trial
from datmos.commands.selection import (
    CRITERIA,
    MARGIN,
    WARNING,
    Candidate,
    adoption,
    choose,
    costs,
    list_candidates,
    score_candidates,
    selection_table,
    spared,
)
from datmos.core.errors import DatmosError
from datmos.core.store import EmbeddingStore, write_store
from datmos.params.schema import Params
from datmos.training.loop import Trained
from datmos.training.settings import StrategyParams
from datmos.training.train import Member, Study
from helpers.embedding import clip_arrays
from helpers.made_up_task import study_of
from helpers.places import REPOSITORY

DEFAULT = REPOSITORY / "params.yaml"
HONEST = ["leave_one_source_out", "training_domain"]


@pytest.fixture
def params() -> Params:
    raw = yaml.safe_load(DEFAULT.read_text())
    raw["data"]["aspects"] = ["PQ", "CE"]
    raw["seeds"] = [0, 1]
    raw["train"] |= {"epochs": 1, "batch_size": 8}
    return Params.model_validate(raw)


@pytest.fixture
def manifest() -> pd.DataFrame:
    splits = ["train"] * 18 + ["valid"] * 9 + ["eval"] * 6 + ["counterfactual"] * 2
    table = pd.DataFrame({"clip_id": [f"c{n:02}" for n in range(len(splits))], "split": splits})
    table["source"] = [["a", "b", "c"][n % 3] for n in range(len(splits))]
    table.loc[table["split"] == "eval", "source"] = "generated"
    table["category"] = "music"
    table[["PQ", "CE"]] = np.random.default_rng(0).normal(5, 1, (len(splits), 2))
    return table


@pytest.fixture
def store(manifest: pd.DataFrame, tmp_path: Path) -> EmbeddingStore:
    generator = np.random.default_rng(1)
    clips = (clip_arrays(generator.normal(size=(4, 50)).astype(np.float16)) for _ in range(len(manifest)))
    write_store(tmp_path / "embeddings", manifest["clip_id"], clips, {"layers": [1]})
    return EmbeddingStore(tmp_path / "embeddings")


def run(
    params: Params, criterion: str, manifest: pd.DataFrame, store: EmbeddingStore, name: str = "dat_source"
) -> list[dict[str, Any]]:
    study, strategy = study_of(params, manifest, store), params.strategies[name]
    return list(score_candidates(study, name, strategy, params.domains, [Candidate((0.5,), None)], criterion))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.takes(2)
def test_eval_ratings_are_read_by_the_oracle_alone(
    criterion: str, params: Params, manifest: pd.DataFrame, store: EmbeddingStore
) -> None:
    """Poison: eval ratings that are wrong, not numbers, or not there at all."""
    first = run(params, criterion, manifest, store)
    natural = manifest["split"].isin(["train", "valid"])
    huge = manifest.copy()
    huge.loc[~natural, ["PQ", "CE"]] = 1e6
    nan = manifest.copy()
    nan.loc[~natural, ["PQ", "CE"]] = np.nan
    if criterion in HONEST:
        for poisoned in (huge, nan, manifest[natural]):
            assert str(run(params, criterion, poisoned, store)) == str(first)
    else:
        assert math.isnan(run(params, criterion, huge, store)[0]["aspects"]["PQ"]["srcc"])  # they are all the same
        assert math.isnan(run(params, criterion, nan, store)[0]["aspects"]["PQ"]["srcc"])


def test_folds(manifest: pd.DataFrame) -> None:
    ((learned, scored),) = CRITERIA["training_domain"](manifest)
    assert learned is manifest
    assert set(scored["split"]) == {"valid"}
    folds = list(CRITERIA["leave_one_source_out"](manifest))
    assert [set(scored["source"]) for _, scored in folds] == [{"a"}, {"b"}, {"c"}]
    for learned, scored in folds:
        assert not set(learned["source"]) & set(scored["source"])
        assert set(learned["split"]) == set(scored["split"]) == {"train", "valid"}
        assert len(learned) + len(scored) == 27
    ((_, scored),) = CRITERIA["oracle"](manifest)
    assert set(scored["split"]) == {"eval"}
    assert "upper bound" in WARNING


def test_a_source_left_out_reaches_neither_training_nor_validation_nor_domains(
    params: Params, manifest: pd.DataFrame, store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = datmos.ablations.trial.train_members

    def spy(study: Study, name: str, strategy: StrategyParams, members: list[Member]) -> list[Trained]:
        labelled = [set(member.domains["clip_id"]) for member in members]
        assert labelled == [labelled[0]] * 2
        seen.append((set(study.manifest["source"]), labelled[0], strategy.lambda_))
        return original(study, name, strategy, members)

    monkeypatch.setattr(datmos.ablations.trial, "train_members", spy)
    run(params, "leave_one_source_out", manifest, store)
    assert [sources for sources, _, _ in seen] == [{"b", "c"}, {"a", "c"}, {"a", "b"}] * 2
    assert [lambda_ for _, _, lambda_ in seen] == [(0.0,)] * 3 + [(0.5,)] * 3
    by_id = manifest.set_index("clip_id")
    for sources, labelled, _ in seen:
        assert set(by_id.loc[sorted(labelled), "source"]) == sources
        assert set(by_id.loc[sorted(labelled), "split"]) == {"train"}


def test_scores_are_correlations_over_all_sources_left_out(
    params: Params, manifest: pd.DataFrame, store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    actual = manifest.set_index("clip_id")

    def predict(models: Any, store: Any, clip_ids: list[str], device: Any) -> pd.DataFrame:
        own = actual.loc[clip_ids, ["PQ", "CE"]].reset_index()
        shift = 100.0 * "abc".index(actual.loc[clip_ids[0], "source"])  # right within a source, not across
        return pd.concat([own.assign(seed=seed, PQ=own["PQ"] + seed * shift, CE=-own["CE"]) for seed in (0, 1)])

    monkeypatch.setattr("datmos.commands.selection.train_trials", lambda *arguments: [None])
    monkeypatch.setattr("datmos.commands.selection.predict_clips", predict)
    without, found = run(params, "leave_one_source_out", manifest, store)
    assert (without["lambda"], found["lambda"]) == (0.0, 0.5)
    natural = manifest[manifest["split"].isin(["train", "valid"])]
    shifted = natural["PQ"] + 100 * natural["source"].map("abc".index)
    expected = stats.spearmanr(shifted, natural["PQ"]).statistic
    assert found["aspects"]["PQ"]["seeds"] == pytest.approx([1.0, expected])
    assert found["aspects"]["PQ"]["srcc"] == pytest.approx((1 + expected) / 2)
    assert found["aspects"]["CE"]["seeds"] == pytest.approx([-1.0, -1.0])


def test_a_number_of_domains_is_tried(params: Params, manifest: pd.DataFrame, store: EmbeddingStore) -> None:
    candidates = list_candidates("dat_kmeans", params.strategies["dat_kmeans"], [0.1, 2.0], [2, 3])
    assert candidates == [Candidate((value,), k) for value, k in ((0.1, 2), (0.1, 3), (2.0, 2), (2.0, 3))]
    study, strategy = study_of(params, manifest, store), params.strategies["dat_kmeans"]
    scores = list(score_candidates(study, "dat_kmeans", strategy, params.domains, candidates, "training_domain"))
    assert [((one["lambda"],), one["k"]) for one in scores] == [((0.0,), None), *candidates]


def test_candidates_default_to_the_params_and_are_checked(params: Params) -> None:
    assert list_candidates("dat_source", params.strategies["dat_source"], None, None) == [Candidate((0.5,), None)]
    assert list_candidates("dat_multi", params.strategies["dat_multi"], None, [4]) == [Candidate((0.5, 0.1), 4)]
    with pytest.raises(DatmosError, match=r"--lambda: 'dat_multi' has 2 adversaries; set strategies\.dat_multi"):
        list_candidates("dat_multi", params.strategies["dat_multi"], [0.1], None)
    with pytest.raises(DatmosError, match="--k: the domains of 'dat_source' are 'source'"):
        list_candidates("dat_source", params.strategies["dat_source"], None, [4])
    with pytest.raises(DatmosError, match="--lambda: more than 0 is expected, got 0 "):
        list_candidates("dat_source", params.strategies["dat_source"], [0.1, 0.0], None)
    with pytest.raises(DatmosError, match=r"'l2' has no adversary \(lambda 0\): say with --lambda"):
        list_candidates("l2", params.strategies["l2"], None, None)
    with pytest.raises(DatmosError, match="--k: 2 or more is expected, got 1"):
        list_candidates("dat_kmeans", params.strategies["dat_kmeans"], None, [1])


def test_one_source_can_not_be_left_out(params: Params, manifest: pd.DataFrame, store: EmbeddingStore) -> None:
    with pytest.raises(DatmosError, match="two sources or more"):
        run(params, "leave_one_source_out", manifest.assign(source="a"), store)


def scored(lambda_: Any, k: int | None = None, **srcc: float) -> dict[str, Any]:
    return {"lambda": lambda_, "k": k, "aspects": {aspect: {"srcc": value} for aspect, value in srcc.items()}}


def test_an_adversary_is_kept_for_the_aspects_that_it_costs_little() -> None:
    without = scored(0.0, PQ=0.5, PC=0.5, CE=0.5)
    weak, strong = scored(0.1, PQ=0.5, PC=0.48, CE=0.4), scored(0.5, PQ=0.476, PC=0.3, CE=0.9)
    assert MARGIN == 0.025
    assert costs(weak, without) == pytest.approx({"PQ": 0.0, "PC": -0.02, "CE": -0.1})
    assert (spared(weak, without), spared(strong, without)) == (["CE"], ["PC"])
    assert choose([without, weak, strong]) == 2  # as few spared, and the larger lambda
    assert choose([without, weak, scored(2.0, PQ=0.1, PC=0.1, CE=0.9)]) == 1
    unknown = scored(2.0, PQ=math.nan, PC=0.1, CE=0.1)
    assert choose([without, unknown]) is None
    lines = selection_table([without, weak, strong]).splitlines()
    assert lines[1].split() == ["0", "0.500", "0.500", "0.500"]
    assert lines[2].split() == ["0.1", "+0.000", "-0.020", "-0.100", "CE"]
    assert lines[3].split() == ["*", "0.5", "-0.024", "-0.200", "+0.400", "PC"]


def test_the_command_that_adopts_it() -> None:
    assert adoption("dat_source", "source", scored(0.5)) == "dvc exp run -S strategies.dat_source.lambda=0.5"
    both = adoption("dat_kmeans", "kmeans", scored(2.0, 4))
    assert both == "dvc exp run -S strategies.dat_kmeans.lambda=2 -S kmeans.k=4"
    several = adoption("dat_multi", "source_kmeans", scored([0.5, 0.1]))
    assert several == "dvc exp run -S 'strategies.dat_multi.lambda=[0.5,0.1]'"
    some = adoption("dat_source", "source", scored(0.5), ["PC", "CE"])
    assert some.endswith("lambda=0.5 -S '++strategies.dat_source.spare=[PC,CE]'")
    assert adoption("dat_source", "source", None) == "dvc exp run -S strategies.dat_source.lambda=0"
