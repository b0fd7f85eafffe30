"""The command `datmos`."""

import shutil
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from datmos.commands.main import main
from datmos.params.schema import Params
from helpers.places import REPOSITORY


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def datmos(*arguments: str, folder: Path = REPOSITORY) -> Result:
    """Run the command in this process. In one of its own: tests/test_startup.py, and all of tests/e2e."""
    code, stdout, stderr = 0, StringIO(), StringIO()
    with (
        chdir(folder),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["datmos", *arguments])
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Result(code, stdout.getvalue(), stderr.getvalue())


def test_without_a_command_it_says_what_to_type_first() -> None:
    result = datmos()
    assert result.returncode == 2
    assert result.stdout == ""
    heading, *commands = result.stderr.splitlines()
    assert heading == "Type one of these first:"
    assert [line[2:].split("  ")[0] for line in commands] == [
        "datmos score clip.wav", "datmos check params", "dvc repro", "datmos --help",
    ]  # fmt: skip
    for line in commands[:2]:
        command = line.split()[1]
        assert datmos(command, "--help").returncode == 0
    assert "  score " in datmos("--help").stdout


def test_check_params_prints_what_the_stages_read() -> None:
    result = datmos("check", "params")
    assert result.returncode == 0
    printed, given = yaml.safe_load(result.stdout), yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    assert Params.model_validate(printed) == Params.model_validate(given)
    for name, strategy in given["strategies"].items():
        assert printed["strategies"][name]["lambda"] == strategy["lambda"]
        assert printed["strategies"][name]["loss"] == strategy.get(
            "loss", "faithful"
        )  # what an entry leaves out is printed too
    assert "params.yaml is valid: " in result.stderr


def test_a_wrong_setting_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text((REPOSITORY / "params.yaml").read_text().replace("  k: 8", "  k: eight"))
    result = datmos("check", "params", str(path))
    assert result.returncode == 1
    assert "kmeans.k" in result.stderr
    assert "'eight'" in result.stderr
    assert "Traceback" not in result.stderr


def test_apply_merges_a_preset(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    preset = REPOSITORY / "presets/rivals.yaml"
    result = datmos("apply", str(preset), folder=tmp_path)
    assert result.returncode == 0
    assert "strategies.qamro: new -> {domains: source, lambda: 0.0" in result.stdout
    assert datmos("apply", str(preset), folder=tmp_path).stdout == "params.yaml has all of it already\n"
    wrong = datmos("apply", "presets/rivels.yaml", folder=tmp_path)
    assert wrong.returncode == 1
    assert "presets/rivels.yaml: no such file" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_select_says_what_is_wrong_before_it_trains(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    for arguments, words in (
        (["dat_sorce"], "unknown strategy 'dat_sorce'; did you mean 'dat_source'?"),
        (["dat_source", "--k", "4"], "--k: the domains of 'dat_source' are 'source'"),
        (["dat_source"], "data/manifest.parquet: not found; run `dvc repro embed` first"),
    ):
        result = datmos("select", *arguments, folder=tmp_path)
        assert result.returncode == 1
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_ratings_from_writes_ratings_and_the_command_that_uses_them(tmp_path: Path) -> None:
    sets = tmp_path / "DATA" / "sets"
    sets.mkdir(parents=True)
    for name, number in (("train", 1), ("val", 2), ("test", 3)):
        (sets / f"{name}_mos_list.txt").write_text(f"sysa-utt{number}.wav,3.5\n")
    result = datmos("ratings-from", "voicemos", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "ratings.csv: 1 train, 1 valid, 1 eval clips" in result.stdout
    assert f"-S data.root={tmp_path} -S 'data.aspects=[MOS]' -S 'data.scale=[1,5]'" in result.stdout
    first = (tmp_path / "ratings.csv").read_bytes()
    again = datmos("ratings-from", "voicemos", str(tmp_path))
    assert again.returncode == 1
    assert "is there already; --force replaces it" in again.stderr
    (sets / "test_mos_list.txt").write_text("sysa-utt3.wav,good\n")
    refused = datmos("ratings-from", "voicemos", str(tmp_path), "--force")
    assert refused.returncode == 1
    assert "MOS must be a finite number" in refused.stderr
    assert (tmp_path / "ratings.csv").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_ratings_from_replaces_nothing_but_its_file(tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    sets.mkdir()
    for name, number in (("train", 1), ("val", 2), ("test", 3)):
        (sets / f"{name}_mos_list.txt").write_text(f"sysa-utt{number}.wav,3.5\n")
    target = tmp_path / "ratings.csv"
    target.mkdir()
    (target / "mine.csv").write_text("precious")
    refused = datmos("ratings-from", "voicemos", str(tmp_path), "--force")
    assert refused.returncode == 1
    assert f"error: {target}: is a folder; the name of a file" in refused.stderr
    assert (target / "mine.csv").read_text() == "precious"
    shutil.rmtree(target)
    target.symlink_to("elsewhere.csv")
    linked = datmos("ratings-from", "voicemos", str(tmp_path))
    assert linked.returncode == 0
    assert "ratings.csv: is a link; what is written is" in linked.stderr
    assert target.is_symlink()
    assert (tmp_path / "elsewhere.csv").read_text().startswith("path,split")
    (sets / "val_mos_list.txt").write_bytes(b"\xff\xfe\x00,")
    broken = datmos("ratings-from", "voicemos", str(tmp_path), "--force")
    assert broken.returncode == 1
    assert "val_mos_list.txt: not UTF-8 text of comma-separated values" in broken.stderr
    assert "Traceback" not in broken.stderr
