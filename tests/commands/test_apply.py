"""Presets: every one is valid, says what it changes, and leaves the rest of params.yaml alone."""

import shutil
from pathlib import Path

import pytest
import yaml

from datmos.commands.apply import apply_preset
from datmos.core.errors import DatmosError
from datmos.params.schema import load_params
from helpers.places import REPOSITORY

PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path / "params.yaml"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_applied_and_once_is_enough(preset: Path, params: Path) -> None:
    before = yaml.safe_load(params.read_text())
    assert apply_preset(preset, params)
    after = yaml.safe_load(params.read_text())
    wanted = yaml.safe_load(preset.read_text())
    assert _with(before, wanted) == after
    load_params(params)
    text = params.read_text()
    assert apply_preset(preset, params) == []
    assert params.read_text() == text


def _with(settings: dict, changes: dict) -> dict:  # type: ignore[type-arg]
    result = dict(settings)
    for key, value in changes.items():
        if isinstance(value, dict) and key in result:
            result[key] = _with(result[key], value)
        elif value is None and isinstance(result.get(key, {}), dict):  # a strategy
            result.pop(key, None)
        else:
            result[key] = value
    return result


def test_the_papers_preset_is_a_whole_params_yaml(params: Path) -> None:
    preset = REPOSITORY / "presets/paper.yaml"
    apply_preset(preset, params)
    assert load_params(preset) == load_params(params)
    assert sorted(yaml.safe_load(preset.read_text())) == sorted(yaml.safe_load(params.read_text()))


def test_all_presets_together(params: Path) -> None:
    for name in ("paper", "authors_code", "rivals"):
        apply_preset(REPOSITORY / f"presets/{name}.yaml", params)
    loaded = load_params(params)
    assert loaded.encoder.model == "facebook/wav2vec2-xls-r-2b"
    assert loaded.train.reversal == "lambda"
    assert "dat_aspect" in loaded.strategies


def test_comments_and_untouched_lines_stay(params: Path, tmp_path: Path) -> None:
    before = params.read_text().splitlines()
    preset = tmp_path / "preset.yaml"
    preset.write_text("kmeans: {k: 5}\nstrategies:\n  new: {domains: kmeans, lambda: 0.3, dropout: 0.3, l2: 0.0}\n")
    assert apply_preset(preset, params) == [
        "kmeans.k: 8 -> 5",
        "strategies.new: new -> {domains: kmeans, lambda: 0.3, dropout: 0.3, l2: 0.0}",
    ]
    after = params.read_text().splitlines()
    new = ["  new:", "    domains: kmeans", "    lambda: 0.3", "    dropout: 0.3", "    l2: 0.0"]
    place = after.index("  new:")
    assert after[place : place + 5] == new
    for line in before:
        if "#" in line:
            assert line[line.index("#") :] in params.read_text()
    kept = after[:place] + after[place + 5 :]
    assert [b for a, b in zip(before, kept, strict=True) if a != b] == ["  k: 5"]


def test_null_removes_a_strategy(params: Path, tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("strategies: {l2: null, never_there: null}\nrandom: {k: null}\n")
    assert apply_preset(preset, params) == ["strategies.l2: removed"]
    assert "l2" not in load_params(params).strategies


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("kmeans: {kk: 3}", ["kmeans.kk: unknown key", "did you mean 'k'", "preset.yaml"]),
        ("strategies: {baseline: null}", ["evaluate.baseline", "baseline"]),
        ("[1, 2]", ["preset.yaml", "a mapping of settings is expected"]),
        ("a: [", ["preset.yaml", "not valid YAML"]),
        ("a: 2020-13-45", ["preset.yaml", "not valid YAML"]),
        ("[" * 5000, ["preset.yaml", "not valid YAML"]),
        ("strategies: {'x; touch PWNED #': {}}", ["strategies", "x; touch PWNED #"]),
        ("embed: {launcher: 'python; touch PWNED'}", ["embed.launcher", "pattern"]),
        ("finetune: {launcher: '$(touch PWNED)'}", ["finetune.launcher", "pattern"]),
    ],
)
@pytest.mark.takes(6)
def test_what_is_not_valid_changes_nothing(content: str, words: list[str], params: Path, tmp_path: Path) -> None:
    preset, before = tmp_path / "preset.yaml", params.read_text()
    preset.write_text(content)
    with pytest.raises(DatmosError) as error:
        apply_preset(preset, params)
    for word in words:
        assert word in str(error.value)
    assert params.read_text() == before


def test_params_that_are_a_link_stay_one(params: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "link.yaml").symlink_to("params.yaml")
    preset = tmp_path / "preset.yaml"
    preset.write_text("kmeans: {k: 5}\n")
    assert apply_preset(preset, tmp_path / "link.yaml") == ["kmeans.k: 8 -> 5"]
    assert (tmp_path / "link.yaml").is_symlink()
    assert load_params(params).kmeans.k == 5
    assert f"link.yaml: is a link; what is written is {params}" in capsys.readouterr().err


def test_a_file_that_is_no_text_is_one_message(params: Path, tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DatmosError, match=r"binary\.yaml: not valid YAML"):
        apply_preset(tmp_path / "binary.yaml", params)
    with pytest.raises(DatmosError, match=r"binary\.yaml: can't be read as UTF-8 text"):
        load_params(tmp_path / "binary.yaml")


def test_a_preset_that_is_not_there(params: Path) -> None:
    with pytest.raises(DatmosError, match=r"nowhere\.yaml: no such file"):
        apply_preset(Path("nowhere.yaml"), params)
