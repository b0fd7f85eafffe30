"""Scores are those of the pipeline, and depend on nothing but the clip and the model."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import torchaudio

import datmos
from datmos.audio.open_file import file_facts
from datmos.core.errors import DatmosError
from datmos.core.files import read_json, write_json
from datmos.heads.familiarity import Familiarity
from datmos.scoring.engine import Engine, ScoringPlan
from datmos.scoring.model import WindowScores
from datmos.scoring.score import Failure
from datmos.scoring.scorer import Score, Scorer, load
from helpers.loudness import CPU, RATE, LoudnessModel, sound
from helpers.tiny_encoders import break_convolutions
from helpers.trained import Trained

ASPECTS = ["A", "B"]


class Replacing:
    """A model whose network does something else first."""

    def __init__(self, model: LoudnessModel, call: Callable[[dict[str, torch.Tensor]], WindowScores]) -> None:
        self._model, self._call = model, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, inputs: dict[str, torch.Tensor]) -> WindowScores:
        return self._call(inputs)


def mixture(predictions: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and covariance of the mixture of the seeds, from the table of the stage evaluate."""
    found = {}
    for clip_id, seeds in predictions.groupby("clip_id"):
        means = seeds[ASPECTS].to_numpy(np.float64)
        covariances = np.array(
            [[[s.A_std**2, s.cov_A_B], [s.cov_A_B, s.B_std**2]] for s in seeds.itertuples()], np.float64
        )
        found[clip_id] = means.mean(axis=0), covariances.mean(axis=0) + np.cov(means.T, bias=True)
    return found


def same(one: Score, other: Score) -> bool:
    """Bit for bit."""
    return (one.mean, one.std, one.distance, one.seconds) == (other.mean, other.std, other.distance, other.seconds)


@pytest.mark.parametrize("strategy", ["plain", "layers"])  # one layer of the encoder, several
@pytest.mark.takes(2)
def test_scores_are_those_of_the_pipeline(trained: Trained, strategy: str) -> None:
    scorer = load(trained.folder / "data/models" / strategy, device="cpu", trust=True)
    expected = mixture(trained.predictions(strategy))
    scores = scorer.score([trained.clip(number) for number in range(len(trained.manifest))])
    for clip_id, score in zip(trained.manifest["clip_id"], scores, strict=True):
        mean, covariance = expected[clip_id]
        np.testing.assert_allclose([score.mean[aspect] for aspect in ASPECTS], mean, rtol=1e-5)
        np.testing.assert_allclose(score.covariance, covariance, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(score.std["A"], np.sqrt(covariance[0, 0]), rtol=1e-5)
    assert scorer.aspects == ASPECTS
    assert scorer.scale == (1.0, 10.0)
    assert scorer.name == strategy
    assert scorer.trained_on == "simulated"
    validation = zip(scores, trained.manifest["split"], strict=True)
    assert {s.percentile for s, split in validation if split == "valid"} == {100 * part / 6 for part in range(1, 7)}


def test_order_batches_and_workers_change_no_bit(trained: Trained, tmp_path: Path) -> None:
    scorer = load(trained.folder / "data/models/plain", device="cpu", trust=True)
    generator = np.random.default_rng(1)
    soundfile.write(tmp_path / "long.flac", sound(generator, 5.3, 22_050), 22_050)
    clips: list[Any] = [trained.clip(number) for number in range(8)] + [str(tmp_path / "long.flac")]
    expected = [scorer.score(clip) for clip in clips]
    for workers, batch in ((1, None), (3, 1.0), (4, 60.0)):
        found = scorer.score(clips[::-1], workers=workers, batch_seconds=batch)
        assert all(same(one, other) for one, other in zip(expected, found[::-1], strict=True))
        assert [score.path for score in found] == clips[::-1]


def test_batches_as_on_a_gpu_give_the_same_scores(trained: Trained, tmp_path: Path) -> None:
    """Windows of several clips in one batch, the last filled up: to rounding."""
    scorer = load(trained.folder / "data/models/plain", device="cpu", trust=True)
    soundfile.write(tmp_path / "long.wav", sound(np.random.default_rng(1), 5.3), RATE)
    paths = [trained.clip(0), str(tmp_path / "long.wav"), trained.clip(1)]
    expected = scorer.score(paths)
    from datmos.scoring.scorer import _item

    for size, workers in ((4, 2), (64, 3)):
        results = list(
            Engine(scorer.model, ScoringPlan(workers, size, 1), None).run(_item(path, None) for path in paths)
        )
        for one, other in zip(expected, results, strict=True):
            assert isinstance(other, Score)
            np.testing.assert_allclose(list(one.mean.values()), list(other.mean.values()), rtol=1e-5)


class Halving(LoudnessModel):
    """A device whose memory holds two windows."""

    def __call__(self, inputs: dict[str, torch.Tensor]) -> Any:
        if len(inputs["waveforms"]) > self.most:
            raise torch.OutOfMemoryError
        return super().__call__(inputs)

    most = 2


def test_memory_that_runs_out() -> None:
    samples = sound(np.random.default_rng(0), 9)
    expected = Scorer(LoudnessModel()).score(samples, RATE)
    from datmos.scoring.scorer import _item

    model = Halving()
    (found,) = Engine(model, ScoringPlan(1, 16, 1), None).run([_item(samples, RATE)])
    assert isinstance(found, Score)
    assert found.mean == expected.mean
    model.most = 0
    with pytest.raises(DatmosError, match="not even one window"):
        list(Engine(model, ScoringPlan(1, 16, 1), None).run([_item(samples, RATE)]))


def test_samples_files_and_types_are_one(tmp_path: Path) -> None:
    scorer = Scorer(LoudnessModel())
    samples = np.round(sound(np.random.default_rng(0), 2.5, 44_100) * 2**15).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 44_100)
    expected = scorer.score(tmp_path / "a.wav")
    floats = (samples / 2**15).astype(np.float32)
    forms = [samples, floats, floats.astype(np.float64), torch.from_numpy(floats), torch.from_numpy(samples)]
    for form in [*forms, np.stack([floats, floats]), floats[None]]:
        assert scorer.score(form, 44_100).mean == expected.mean
        assert scorer.score([form, tmp_path / "a.wav"], sample_rate=44_100)[0].mean == expected.mean
    assert scorer.score(floats, 44_100).path is None
    assert expected.path == str(tmp_path / "a.wav")
    assert scorer.score(samples.astype(np.int32) * 2**16, np.int64(44_100)).mean == expected.mean
    unsigned = (samples[::1] // 256 + 128).astype(np.uint8)
    assert scorer.score(unsigned, 44_100).mean["level"] == pytest.approx(expected.mean["level"], rel=0.05)


@pytest.mark.parametrize(
    ("clip", "rate", "words"),
    [
        (np.zeros((16_000, 2)), 16_000, r"\(channels, samples\) is expected, got \(16000, 2\)"),
        (np.zeros((2, 2, 2)), 16_000, "got .2, 2, 2"),
        (np.ones(16_000), None, "samples need their rate in Hz"),
        (np.ones(16_000), 0, "samples need their rate in Hz"),
        (np.ones(16_000), "16000", "samples need their rate in Hz, a whole number; got '16000'"),
        (np.ones(16_000), math.nan, "samples need their rate in Hz"),
        (np.ones(16_000), math.inf, "samples need their rate in Hz"),
        (np.ma.masked_less(np.ones(16_000), 0), 16_000, "a masked array"),
        (
            np.array([-9, 32_767], np.int32),
            16_000,
            "int32 with values from -9 to 32767, which fill",
        ),
        (torch.tensor([-9, 7]), 16_000, "int64 with values from -9 to 7"),
        (np.zeros(16_000, np.int32), 16_000, "^clip: silent"),
        (np.array(["a"]), 16_000, "array of numbers"),
        ([1.0, 2.0], 16_000, "a path, or samples .* got float"),
        (np.ones(16_000), 16_000, "^clip: silent"),
        ("missing.wav", None, "^missing.wav: No such file"),
    ],
)
def test_what_cannot_be_scored_says_why(clip: Any, rate: Any, words: str) -> None:
    with pytest.raises(DatmosError, match=words):
        Scorer(LoudnessModel()).score(clip, rate)


def test_a_stream_goes_on_after_a_failure_and_takes_clips_as_they_come() -> None:
    samples, threads = sound(np.random.default_rng(0), 1), torch.get_num_threads()
    given = []

    def clips() -> Any:
        for number in range(10_000):
            given.append(number)
            yield "missing.wav" if number == 1 else samples

    stream = Scorer(LoudnessModel()).stream(clips(), RATE)
    results = [next(stream) for _ in range(3)]
    stream.close()
    assert [type(result) for result in results] == [Score, Failure, Score]
    assert results[1] == Failure("missing.wav", "No such file or directory")
    assert len(given) < 5000  # not all of them were read
    assert torch.get_num_threads() == threads


def test_a_long_clip_by_hand() -> None:
    """Covariances are equal here: means weighted by length; windows and time line say what was where."""
    loud, soft = sound(np.random.default_rng(0), 2), 0.1 * sound(np.random.default_rng(1), 1.5)
    score = Scorer(LoudnessModel()).score(np.concatenate([loud, np.zeros(RATE), soft]), RATE)
    assert score.seconds == 4.5
    table = score.windows
    assert table["start_s"].tolist() == [0, 1, 2, 3, 3.5]
    assert table["end_s"].tolist() == [1, 2, 3, 4, 4.5]
    assert score.warnings == ["1 of 5 windows are silent and do not count"]
    np.testing.assert_allclose(table["weight"], np.array([1, 1, 0, 0.75, 0.75]) / 3.5)
    assert np.isnan(table["level"][2])
    assert score.mean["level"] == pytest.approx(np.nansum(table["level"] * table["weight"]))
    assert score.std == pytest.approx({"level": 0.5, "peak": 1.0})
    line = score.per_second()
    assert line["second"].tolist() == [0, 1, 2, 3, 4]
    assert line["level"][1] == pytest.approx(np.square(loud[RATE:].astype(np.float32)).mean())
    assert np.isnan(line["level"][2])
    halves = table["level"][3], table["level"][4]  # second 3: all of window 3, half of window 4
    assert line["level"][3] == pytest.approx((halves[0] + 0.5 * halves[1]) / 1.5)
    assert line["level"][4] == pytest.approx(halves[1])
    assert "level" in str(score)
    assert "± 0.50" in str(score)


def test_a_finer_hop_and_a_wrong_one() -> None:
    scorer, samples = Scorer(LoudnessModel()), sound(np.random.default_rng(0), 3)
    assert scorer.score(samples, RATE, hop_seconds=0.25).windows["start_s"].tolist() == [i / 4 for i in range(9)]
    for options in ({"hop_seconds": 1.5}, {"hop_seconds": 0.0}, {"workers": 0}, {"batch_seconds": -1.0}):
        with pytest.raises(DatmosError, match=next(iter(options))):
            scorer.score(samples, RATE, **options)


def test_a_model_that_takes_windows_of_any_length() -> None:
    model = LoudnessModel(repeats=False)
    score = Scorer(model).score(sound(np.random.default_rng(0), 2.25), RATE)
    assert sorted(model.lengths) == [RATE // 4, RATE, RATE]
    assert score.windows["weight"].tolist() == pytest.approx([4 / 9, 4 / 9, 1 / 9])


def test_a_band_limit_is_warned_of() -> None:
    low = torch.from_numpy(sound(np.random.default_rng(0), 3, 8000)).float()
    low = torchaudio.functional.resample(low, 8000, 32_000, lowpass_filter_width=64)
    score = Scorer(LoudnessModel()).score(low, 32_000)
    assert score.band_limit == pytest.approx(4000, rel=0.1)
    assert score.warnings[0].startswith("nothing above 4")
    assert Scorer(LoudnessModel()).score(sound(np.random.default_rng(0), 3), RATE).warnings == []


def test_a_clip_unlike_any_in_training_is_warned_of(trained: Trained) -> None:
    scorer = load(trained.folder / "data/models/plain", device="cpu", trust=True)
    clip = trained.clip(20)  # no train clip: one that is a cluster by itself has distance 0
    near = scorer.score(clip)
    assert not any("unlike" in text for text in near.warnings)
    assert isinstance(scorer.model.familiarity, Familiarity)
    nearer = scorer.model.familiarity.validation * 0.01  # as if validation clips lay a hundred times closer
    scorer.model.familiarity = scorer.model.familiarity._replace(validation=nearer)
    far = scorer.score(clip)
    assert (far.distance, far.percentile) == (near.distance, 100)
    assert any("unlike the clips" in text for text in far.warnings)


PEAK_MEMORY = Path("/proc/self/clear_refs")


@pytest.mark.skipif(not PEAK_MEMORY.exists(), reason="Linux tells a process's peak memory")
@pytest.mark.takes(2)
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 24_000, 1) as file:  # 20 minutes: 115 MB as samples, 77 MB more at 16 kHz
        block = sound(np.random.default_rng(0), 20, 24_000)
        for _ in range(60):
            file.write(block)
    scorer = Scorer(LoudnessModel(seconds=5.0))

    def peak(write: bool = False) -> float:
        if write:
            PEAK_MEMORY.write_text("5")
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    scorer.score(block, 24_000)
    before = peak(write=True)
    assert scorer.score(path).seconds == 1200
    assert peak() - before < 50  # MB


def test_half_precision_that_is_wrong_on_a_cpu_is_not_scored_with(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    single = load(trained.folder / "data/models/plain", device="cpu", trust=True).score(trained.clip(1))
    folder = shutil.copytree(trained.folder / "data/models/plain", tmp_path / "half")
    config = read_json(folder / "config.json")
    config["encoder_params"]["dtype"] = "bfloat16"
    write_json(folder / "config.json", config)
    half = load(folder, device="cpu", trust=True).score(trained.clip(1))
    assert half.mean != single.mean
    assert half.mean == pytest.approx(single.mean, abs=0.1)
    assert "warning" not in capsys.readouterr().err
    break_convolutions(monkeypatch, torch.bfloat16)
    assert same(load(folder, device="cpu", trust=True).score(trained.clip(1)), single)
    warning = capsys.readouterr().err
    assert warning.count("warning: encoder.dtype=bfloat16 gives wrong embeddings") == 1
    assert "The embedding of a test clip of 1 s" in warning


def test_loading_says_what_is_wrong(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained.folder)
    assert datmos.load("plain", "cpu").version == load("data/models/plain", torch.device("cpu")).version
    assert load("layers", "cpu").version != load("plain", "cpu").version
    with pytest.raises(DatmosError, match="no model 'plane'; did you mean 'plain'"):
        load("plane")
    with pytest.raises(DatmosError, match="device: 'warp' is not there"):
        load("plain", device="warp")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatmosError, match="holds no model"):
        load(tmp_path / "empty")
    old = shutil.copytree("data/models/plain", tmp_path / "old")
    config = read_json(old / "config.json")
    write_json(old / "config.json", {key: config[key] for key in config if key != "encoder_params"})
    with pytest.raises(DatmosError, match=r"has no encoder_params: .* earlier version"):
        load(old, trust=True)
    config["encoder"]["revision"] = "another"
    write_json(old / "config.json", config)
    with pytest.raises(DatmosError, match=r"trained on embeddings of .* Scores would be wrong"):
        load(old, trust=True)
    with pytest.raises(AttributeError, match="no attribute 'unload'"):
        datmos.unload  # noqa: B018
    assert load("plain", "cpu").model.device == CPU


def test_a_file_that_was_cut_off_is_warned_of(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sound(np.random.default_rng(0), 4.0), RATE)
    content = (tmp_path / "a.wav").read_bytes()
    scorer = Scorer(LoudnessModel())
    whole = scorer.score(tmp_path / "a.wav")
    assert whole.warnings == []
    assert whole.file == file_facts(tmp_path / "a.wav")
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    assert scorer.score(tmp_path / "a.wav").warnings == ["holds 2.0 of 4.0 s: the file is cut off or damaged"]


def test_facts_are_those_of_the_file_that_was_read(tmp_path: Path) -> None:
    """A file that is put in place of another one while that is scored does not get its score."""
    model = LoudnessModel()
    soundfile.write(tmp_path / "a.wav", sound(np.random.default_rng(0), 4.0), RATE)
    before = file_facts(tmp_path / "a.wav")

    def replace(inputs: dict[str, torch.Tensor]) -> WindowScores:
        soundfile.write(tmp_path / "b.wav", sound(np.random.default_rng(1), 3.0), RATE)
        (tmp_path / "b.wav").replace(tmp_path / "a.wav")
        return LoudnessModel.__call__(model, inputs)

    scorer = Scorer(Replacing(model, replace))
    score = scorer.score(tmp_path / "a.wav", workers=1)
    assert score.seconds == 4.0
    assert score.file == before
    assert before != file_facts(tmp_path / "a.wav")


def test_a_file_that_grows_while_it_is_scored_has_no_score(tmp_path: Path) -> None:
    model = LoudnessModel()
    soundfile.write(tmp_path / "a.wav", sound(np.random.default_rng(0), 20.0), RATE)

    def grow(inputs: dict[str, torch.Tensor]) -> WindowScores:
        with (tmp_path / "a.wav").open("ab") as file:
            file.write(b"more")
        return LoudnessModel.__call__(model, inputs)

    (result,) = Scorer(Replacing(model, grow)).stream([tmp_path / "a.wav"], workers=1)
    assert isinstance(result, Failure)
    assert result.error == "changed while it was read"


@pytest.mark.parametrize("where", ["prepare", "network"])
def test_memory_that_runs_out_is_the_reason_of_one_clip(where: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number, seconds in enumerate((1.0, 0.5, 1.0)):
        soundfile.write(tmp_path / f"{number}.wav", sound(generator, seconds), RATE)

    def fail(waveform: torch.Tensor) -> None:
        if waveform.shape[-1] < RATE:
            torch.empty(2**50)  # PyTorch: "DefaultCPUAllocator: can't allocate memory"

    class Hungry(LoudnessModel):
        def prepare(self, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
            if where == "prepare":
                fail(waveform)
            return super().prepare(waveform)

        def __call__(self, inputs: dict[str, torch.Tensor]) -> WindowScores:
            if where == "network":
                fail(inputs["waveforms"])
            return super().__call__(inputs)

    results = list(Scorer(Hungry(repeats=False)).stream([tmp_path / f"{number}.wav" for number in range(3)]))
    assert [isinstance(result, Failure) for result in results] == [False, True, False]
    assert "memory" in results[1].error or "allocate" in results[1].error
