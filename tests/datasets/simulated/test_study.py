import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from datmos.datasets.settings import CorpusParams
from datmos.datasets.simulated.degrade import CHAIN, draw_degradations
from datmos.datasets.simulated.render import LEVEL, PEAK, render_clip
from datmos.datasets.simulated.study import clip_seeds, plan_study, rate_study, render_study, signature_of
from datmos.datasets.simulated.truth import ASPECTS, CATEGORIES, SOURCES, Truth

TINY = CorpusParams(
    seed=0, train_per_source=2, valid_per_source=1, systems=6, clips_per_system=2, counterfactuals=3,
    clip_seconds=1.0, raters=4, shortcut=1.0,
)  # fmt: skip
RATED = 6 * 3 + 6 * 2
CLIPS = RATED + 3 * 6


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("study")
    return root, render_study(TINY, root, workers=1)


def read(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "ratings.csv", keep_default_na=False)


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.takes(4)
def test_the_same_params_give_the_same_bytes_on_any_number_of_workers(study, tmp_path: Path) -> None:
    root, summary = study
    assert render_study(TINY, tmp_path, workers=2) == summary
    assert digests(tmp_path) == digests(root)
    assert len(digests(root)) == CLIPS + 1


def test_ratings_csv(study) -> None:
    root, _ = study
    table = read(root)
    assert list(table.columns) == [
        "path", "split", "category", "source", "system", "base", *ASPECTS,
        *(f"{aspect}_ratings" for aspect in ASPECTS), *(f"{aspect}_true" for aspect in ASPECTS),
    ]  # fmt: skip
    assert len(table) == CLIPS
    assert table["path"].is_unique
    assert table["path"].map(lambda path: Path(path).stem).is_unique
    assert table["path"][0] == "audio/train/crowd_speech/crowd_speech_000.wav"
    assert table["path"].iloc[RATED - 1] == "audio/eval/sys06/sys06_001.wav"
    assert table["path"].iloc[-1] == "audio/counterfactual/field_sound/base03_field_sound.wav"
    counts = {"train": 12, "valid": 6, "eval": 12, "counterfactual": 18}
    assert table["split"].value_counts().to_dict() == counts
    table = table[table["split"] != "counterfactual"].astype(dict.fromkeys(ASPECTS, float))
    natural, generated = table[table["system"] == ""], table[table["system"] != ""]
    assert set(natural["source"]) == set(SOURCES)
    assert set(natural["split"]) == {"train", "valid"}
    assert set(generated["split"]) == {"eval"}
    assert (generated["source"] == "gen_" + generated["system"]).all()
    assert generated["category"].value_counts().to_dict() == dict.fromkeys(CATEGORIES, 4)
    for aspect in ASPECTS:
        ratings = np.array([[int(r) for r in cell.split(";")] for cell in table[f"{aspect}_ratings"]])
        assert ratings.shape == (RATED, 4)
        np.testing.assert_allclose(ratings.mean(axis=1), table[aspect], atol=1e-4)
        assert table[f"{aspect}_true"].between(1, 10).all()


@pytest.mark.takes(2)
def test_ratings_csv_holds_exactly_the_truth_that_was_rendered(study) -> None:
    root, _ = study
    written = read(root)[[f"{aspect}_true" for aspect in ASPECTS]].to_numpy()
    assert (written == np.array([clip.truth for clip in plan_study(TINY)])).all()


def test_summary_counts_and_moments(study) -> None:
    root, summary = study
    assert summary["clips"]["train"] == {"speech": 6, "music": 4, "sound": 2}
    assert summary["clips"]["eval"] == {"speech": 4, "music": 4, "sound": 4}
    evaluated = read(root).query("split == 'eval'")
    assert summary["scores"]["eval"]["CE"]["mean"] == pytest.approx(evaluated["CE"].astype(float).mean())
    assert summary["clips"]["counterfactual"] == dict.fromkeys(CATEGORIES, 6)
    assert "counterfactual" not in summary["scores"]


def test_counterfactual_clips_are_one_content_under_every_signature(study) -> None:
    root, _ = study
    table = read(root).query("split == 'counterfactual'")
    assert (table[list(ASPECTS)] == "").all(axis=None)  # not rated
    truths = [f"{aspect}_true" for aspect in ASPECTS]
    for base, clips in table.groupby("base"):
        assert set(clips["source"]) == set(SOURCES)
        assert (clips[[*truths, "category"]].nunique() == 1).all()
        audio = np.stack([soundfile.read(root / path)[0] for path in clips["path"]])
        assert len(np.unique(audio, axis=0)) == len(SOURCES)
        # each is what the renderer makes of the base's own seeds, with nothing but the source's signature
        clip = next(c for c in plan_study(TINY) if c.id == f"{base}_audiobook")
        expected = render_clip(
            clip.truth, clip.category, signature_of("audiobook", TINY), clip_seeds(base, TINY), 1.0
        )
        written = soundfile.read(root / clip.path)[0]
        np.testing.assert_allclose(written, expected, atol=1e-4)


def test_no_counterfactual_clips_if_none_are_asked_for() -> None:
    without = plan_study(TINY.model_copy(update={"counterfactuals": 0}))
    assert without == [clip for clip in plan_study(TINY) if not clip.base]


def test_every_clip_is_audible_level_and_unclipped(study) -> None:
    root, _ = study
    for path in read(root)["path"]:
        audio, rate = soundfile.read(root / path)
        assert soundfile.info(root / path).subtype == "PCM_16"
        assert (rate, audio.shape) == (16000, (16000,))
        peak, level = np.abs(audio).max(), np.sqrt(np.mean(audio**2))
        assert peak <= PEAK + 1e-4
        assert level == pytest.approx(LEVEL, rel=0.01) or peak == pytest.approx(PEAK, abs=1e-3)
        name = Path(path).stem
        base = name.split("_")[0] if name.startswith("base") else name
        kinds = draw_degradations(np.random.default_rng([clip_seeds(base, TINY).degradation, len(CHAIN)]))
        if "clipping" not in kinds:
            assert (np.abs(audio) > 0.999 * peak).mean() < 0.002  # no flat tops


@pytest.mark.parametrize("category", CATEGORIES)
def test_another_signature_changes_the_sound_and_nothing_else(category: str) -> None:
    truth, seeds = Truth(8.0, 2.5, 7.0, 6.0), clip_seeds("a_clip", TINY)
    first, again, other = (
        render_clip(truth, category, signature_of(name, TINY), seeds, 1.0)
        for name in ("audiobook", "audiobook", "gen_sys01")
    )
    assert (first == again).all()
    assert not np.allclose(first, other)
    # the same events at the same times: the loudness of 50 ms frames rises and falls together
    frames = [np.log(np.mean(x.reshape(-1, 800) ** 2, axis=1) + 1e-6) for x in (first, other)]
    assert np.corrcoef(*frames)[0, 1] > 0.5


@pytest.mark.parametrize("aspect", Truth._fields)
def test_every_aspect_reaches_the_finished_clip(aspect: str) -> None:
    best = Truth(pq=10.0, pc=6.0, ce=10.0, cu=10.0)
    seeds, signature = clip_seeds("a_clip", TINY), signature_of("music_mix", TINY)
    clips = [
        render_clip(best._replace(**{aspect: score}), "music", signature, seeds, 1.0)
        for score in (getattr(best, aspect), 4.5, 1.0)
    ]
    likeness = [np.dot(clips[0], x) / np.sqrt(np.dot(x, x) * np.dot(clips[0], clips[0])) for x in clips]
    assert max(likeness[1:]) < 0.97
    if aspect != "ce":  # disorder moves notes: from some point on the waveforms have nothing in common
        assert likeness[1] > likeness[2]


def test_signatures_differ_and_know_nothing_of_the_shortcut() -> None:
    names = [*SOURCES, *(f"gen_sys{k:02d}" for k in range(1, 7))]
    drawn = {signature_of(name, TINY) for name in names}
    assert len(drawn) == len(names)
    unplanted = TINY.model_copy(update={"shortcut": 0.0})
    assert drawn == {signature_of(name, unplanted) for name in names}


def test_shortcut_changes_natural_scores_only() -> None:
    plans = [plan_study(TINY.model_copy(update={"shortcut": shortcut})) for shortcut in (0.0, 1.0)]
    for without, planted in zip(*plans, strict=True):
        assert without.id == planted.id
        assert (without.truth == planted.truth) == (without.split in ("eval", "counterfactual"))


@pytest.mark.parametrize(("shortcut", "lowest", "highest"), [(0.0, 0.0, 0.05), (1.0, 0.25, 0.8)])
def test_shortcut_sets_how_much_of_the_scores_the_source_explains(
    shortcut: float, lowest: float, highest: float
) -> None:
    params = TINY.model_copy(update={"train_per_source": 150, "shortcut": shortcut, "raters": 10})
    clips = [clip for clip in plan_study(params) if clip.split == "train"]
    table = rate_study(clips, params)
    for aspect in ASPECTS:
        explained = table.groupby("source")[aspect].transform("mean").var() / table[aspect].var()
        assert lowest <= explained <= highest


@pytest.mark.takes(2)
def test_workers_do_not_load_torch() -> None:
    code = "import sys, datmos.datasets.simulated.render; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
