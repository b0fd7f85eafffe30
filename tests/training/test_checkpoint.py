"""Checkpoints: back as they were, and never taken for another training's."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import datmos.audiobox.finetune
import datmos.training.loop
from datmos.core.digested import save_digested
from datmos.core.errors import DatmosError
from datmos.training.checkpoint import Resumable, Streams, checkpoint_path, load_checkpoint, save_checkpoint
from datmos.training.curves import Curves
from datmos.training.optimiser import Adam
from helpers.imports import closure_of, package_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_back_as_it_was() -> None:
    path = checkpoint_path(["core"], "x")
    assert load_checkpoint(path) is None
    tensors = {"a": torch.randn(2, 3), "b": torch.tensor(7), "state": torch.Generator().get_state()}
    save_checkpoint(path, 3, tensors)
    save_checkpoint(path, 4, tensors | {"b": torch.tensor(8)})
    found = load_checkpoint(path)
    assert found is not None
    epoch, back = found
    assert epoch == 4
    assert back["b"] == 8
    assert torch.equal(back["a"], tensors["a"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_name_tells_trainings_apart() -> None:
    one = torch.tensor([1.0, 2.0])
    parts = [("a", one), ("b", one), ("a", one + 1), ("a", one, b"x"), ({"k": 1}, one), ({"k": 2}, one)]
    assert len({checkpoint_path([], *own) for own in parts}) == len(parts)
    assert checkpoint_path([], "a", one) == checkpoint_path([], "a", one.clone())


def test_the_name_follows_the_code_of_the_packages_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A docstring outside the training code does not discard a killed training."""
    for package in ("training", "report"):
        (tmp_path / "datmos" / package).mkdir(parents=True)
        (tmp_path / "datmos" / package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr("datmos.__file__", str(tmp_path / "datmos/__init__.py"))
    before = checkpoint_path(["training"], 1)
    (tmp_path / "datmos/report/a.py").write_text('"""Says more."""\n')
    assert checkpoint_path(["training"], 1) == before
    (tmp_path / "datmos/training/a.py").write_text("x = 2\n")
    assert checkpoint_path(["training"], 1) != before


def test_the_code_of_both_loops_is_named() -> None:
    """All that a loop imports, or a checkpoint would be taken up by code that has changed."""
    for loop in (datmos.training.loop, datmos.audiobox.finetune):
        assert {package_of(path) for path in closure_of(Path(loop.__file__))} == set(loop.CODE)


def test_an_optimiser_goes_on_where_it_was() -> None:
    def made() -> tuple[torch.nn.Parameter, Adam]:
        weight = torch.nn.Parameter(torch.ones(2, 3))
        return weight, Adam([weight], 0.1, 0.0, decoupled=False)

    def step(weight: torch.nn.Parameter, optimiser: Adam, gradient: float) -> None:
        weight.grad = torch.full_like(weight, gradient)
        optimiser.step()

    weight, optimiser = made()
    step(weight, optimiser, 1.0)
    again, other = made()
    again.data.copy_(weight.data)
    state = {name: value.clone() for name, value in optimiser.state_dict().items()}
    other.load_state_dict(state)
    step(weight, optimiser, -0.5)
    step(again, other, -0.5)
    assert torch.equal(weight, again)


def test_streams_go_on_where_they_were() -> None:
    first, second = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    torch.rand(5, generator=first)
    Streams({"a": [second]}).load_state_dict(Streams({"a": [first]}).state_dict())
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))


PLACE = Path("training/x.safetensors")


def made(path: Path = PLACE, seed: int = 1) -> Resumable:
    """A training of two parameters; its optimiser has made a step, and one epoch is written down."""
    torch.manual_seed(seed)
    model = torch.nn.Linear(3, 2)
    optimiser = Adam(model.parameters(), 0.1, 0.01, decoupled=True)
    curves = Curves([0], ["loss"], "train.learning_rate")
    return Resumable(path, {"model": model, "optimiser": optimiser, "curves": curves})


def step(training: Resumable) -> None:
    model, optimiser = training.parts["model"], training.parts["optimiser"]
    optimiser.zero_grad()
    model(torch.ones(1, 3)).square().sum().backward()
    optimiser.step()
    training.parts["curves"].add(1, torch.tensor([[0.5]]))


def saved() -> Resumable:
    training = made()
    step(training)
    training.save(1)
    return training


def state(training: Resumable) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training._tensors().items()}


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def assert_starts_anew(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """One line names the file and the reason; of the checkpoint nothing is taken up."""
    training = made(seed=2)
    before = state(training)
    assert training.resume() == 0
    assert_equal(state(training), before)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"{PLACE}: this checkpoint is damaged (")
    assert reason in line
    assert line.endswith("Training starts from the beginning.")
    step(training)
    training.save(1)  # in place of the damaged one
    assert made(seed=3).resume() == 1


def test_a_checkpoint_is_taken_up() -> None:
    expected = state(saved())
    again = made(seed=2)
    assert again.resume() == 1
    assert_equal(state(again), expected)


def cut(content: bytes) -> bytes:
    return content[:-5]


def flipped(content: bytes) -> bytes:
    return content[:-30] + bytes([content[-30] ^ 1]) + content[-29:]


def not_a_number(content: bytes) -> bytes:
    return content[:-4] + b"\x00\x00\xc0\x7f"


def other_epoch(content: bytes) -> bytes:
    return content.replace(b'"epoch":"1"', b'"epoch":"7"')


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"", "header too small"),
        (lambda content: b"\x00" * len(content), "header"),
        (cut, "incomplete"),
        (flipped, "its content does not match its digest"),
        (not_a_number, "its content does not match its digest"),
        (other_epoch, "its content does not match its digest"),
    ],
)
def test_a_damaged_checkpoint_is_reported_and_training_starts_anew(
    damage: Callable[[bytes], bytes], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault 23: a flipped bit loads unnoticed. Fault 27: an empty file fails with a message without a name."""
    saved()
    content = PLACE.read_bytes()
    assert damage(content) != content
    PLACE.write_bytes(damage(content))
    assert_starts_anew(capsys, reason)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("model.weight", None, "model.weight is not there, expected is float32 [2, 3]"),
        ("model.more", torch.zeros(1), "model.more is float32 [1], expected is not there"),
        ("model.weight", torch.zeros(2, 1), "model.weight is float32 [2, 1], expected is float32 [2, 3]"),
        ("model.bias", torch.zeros(2).double(), "model.bias is float64 [2], expected is float32 [2]"),
        ("optimiser.0.exp_avg", None, "optimiser.0.exp_avg is not there, expected is float32 [2, 3]"),
        (
            "optimiser.1.exp_avg_sq",
            torch.zeros(()),
            "optimiser.1.exp_avg_sq is float32 [], expected is float32 [2]",
        ),
        ("optimiser.7.step", torch.zeros(()), "optimiser.7.step is float32 [], expected is not there"),
        ("curves.values", torch.zeros(2, 1, 1).double(), "expected is float64 [1, 1, 1]"),
    ],
)
def test_a_checkpoint_with_other_tensors_is_not_taken_up(
    name: str, value: torch.Tensor | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = state(saved())
    tensors |= {name: value} if value is not None else {}
    if value is None:
        del tensors[name]
    save_digested(PLACE, tensors, {"epoch": "1"})
    assert_starts_anew(capsys, reason)


@pytest.mark.takes(2)
def test_no_changed_byte_of_a_checkpoint_is_taken_up(capsys: pytest.CaptureFixture[str]) -> None:
    saved()
    content = PLACE.read_bytes()
    for place in range(len(content)):
        PLACE.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        assert made().resume() == 0, place
    assert len(capsys.readouterr().err.strip().splitlines()) == 2 * len(content) - 1  # an empty line between two


def test_only_the_first_of_several_processes_reports(capsys: pytest.CaptureFixture[str]) -> None:
    PLACE.parent.mkdir()
    PLACE.touch()
    assert made().resume(told=False) == 0
    assert capsys.readouterr().err == ""


def test_a_folder_of_that_name_is_one_message_and_stays() -> None:
    (PLACE / "thesis").mkdir(parents=True)
    with pytest.raises(DatmosError, match=r"training/x\.safetensors: a checkpoint is expected here.*Remove it"):
        made().resume()
    with pytest.raises(DatmosError, match=r"training/x\.safetensors: the checkpoint of epoch 1 can't be written"):
        made().save(1)
    assert [path.name for path in PLACE.parent.iterdir()] == [PLACE.name]
    assert (PLACE / "thesis").is_dir()


def test_a_checkpoint_that_cannot_be_written_keeps_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    saved()
    before = PLACE.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("datmos.core.digested.save_tensors", full)
    words = (
        r"x\.safetensors: the checkpoint of epoch 2 can't be written \(No space left on device\).*space on the disk"
    )
    with pytest.raises(DatmosError, match=words):
        made().save(2)
    assert PLACE.read_bytes() == before
    assert list(PLACE.parent.iterdir()) == [PLACE]


def test_a_checkpoint_that_cannot_be_removed_does_not_stop_the_end_of_a_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = saved()
    PLACE.unlink()
    training.remove()  # somebody was faster
    assert capsys.readouterr().err == ""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    training.remove()
    assert f"{PLACE}: the checkpoint is no longer needed and can't be removed" in capsys.readouterr().err


def test_what_a_kill_left_is_cleared_up() -> None:
    """Of a process before with the number of this one too, as in containers."""
    PLACE.parent.mkdir()
    for process in (os.getpid(), 2**22 + 1):
        left = PLACE.with_name(f".{PLACE.name}.{process}.tmp")
        left.mkdir()
        (left / ".tmp1234").write_text("half")
    saved()
    assert list(PLACE.parent.iterdir()) == [PLACE]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_are_those_of_any_new_file(umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        saved()
    finally:
        os.umask(before)
    assert PLACE.stat().st_mode & 0o777 == mode
