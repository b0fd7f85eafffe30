"""The fine-tuning loop: its loss and gradients by hand, batches in parts, resuming, and what comes of it."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from datmos.audiobox.finetune import audiobox_loss
from datmos.audiobox.model_files import load_weights, make_model
from datmos.core.errors import DatmosError
from datmos.core.processes import ALONE
from helpers.audiobox_clips import Made, make_clips, session


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.chdir(tmp_path)  # checkpoints are written below the current folder
    return make_clips(tmp_path)


def test_loss_by_hand() -> None:
    predicted, actual = torch.tensor([[1.0, -2.0], [0.5, 0.0]]), torch.tensor([[0.0, 1.0], [0.5, 0.25]])
    assert audiobox_loss(predicted, actual).tolist() == [1 + 1 + 3 + 9, 0.25 + 0.0625]


def test_targets_are_z_scored(made: Made) -> None:
    z = session(made).normal_scores
    assert torch.allclose(z.mean(dim=0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(z.std(dim=0, correction=0), torch.ones(2), atol=1e-5)
    assert torch.allclose(session(made).model.denormalise(z), made.training.scores, atol=1e-4)


@pytest.mark.parametrize("lambda_", [0.0, 0.5])
def test_the_reversed_gradient_reaches_the_encoder(made: Made, lambda_: float) -> None:
    """At the encoder: -lambda times the gradient of the plain cross-entropy; at the classifier: + its weight."""
    one = session(made, lambda_)
    places = torch.arange(6)
    inputs = one._inputs(next(one.training.waveforms.stream([places.tolist()])))
    encoder, classifier = list(one.model.encoder.parameters()), list(one.classifiers.parameters())
    adversarial = one._losses(inputs, places)[1].mean()
    found = torch.autograd.grad(adversarial, encoder + classifier, retain_graph=True)
    h = one.model.pool(inputs).flatten(1)
    logits = one.classifiers[0].layers(h.unsqueeze(0))[0]  # type: ignore[operator, union-attr]
    plain = functional.cross_entropy(logits, made.domains.labels[places, 0])
    expected = torch.autograd.grad(plain, encoder + classifier)
    assert sum(float(gradient.abs().sum()) for gradient in expected[: len(encoder)]) > 1e-3
    for ours, theirs in zip(found[: len(encoder)], expected[: len(encoder)], strict=True):
        assert torch.allclose(ours, -lambda_ * theirs, atol=1e-7, rtol=1e-4)
    for ours, theirs in zip(found[len(encoder) :], expected[len(encoder) :], strict=True):
        assert torch.allclose(ours, (lambda_ or 1.0) * theirs, atol=1e-7, rtol=1e-4)


def gradients_of_first_batch(made: Made, monkeypatch: pytest.MonkeyPatch, **given: object) -> torch.Tensor:
    one = session(made, **given)  # type: ignore[arg-type]
    monkeypatch.setattr(one.optimiser, "step", lambda: None)
    next(one._train(epoch=1))
    return torch.cat([p.grad.flatten() for p in one.models.parameters() if p.grad is not None])


def test_parts_of_a_batch_add_up(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradients_of_first_batch(made, monkeypatch)
    assert whole.abs().max() > 0.01
    assert torch.allclose(gradients_of_first_batch(made, monkeypatch, at_once=2), whole, atol=1e-6)
    assert not torch.allclose(gradients_of_first_batch(made, monkeypatch, batch_size=2), whole, atol=1e-4)


def test_gradient_checkpointing_changes_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gradients_of_first_batch(made, monkeypatch)
    again = gradients_of_first_batch(made, monkeypatch, gradient_checkpointing=True)
    assert torch.allclose(again, plain, atol=1e-6)


def test_processes_share_a_batch(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two processes would add up is the gradient of the whole batch."""
    shares = []
    monkeypatch.setattr(
        "datmos.audiobox.finetune.add_up", lambda tensor, processes: shares.append(tensor) or tensor
    )
    for rank in (0, 1):
        gradients_of_first_batch(made, monkeypatch, processes=ALONE._replace(rank=rank, total=2))
    whole = gradients_of_first_batch(made, monkeypatch)
    assert len(shares) == 2
    assert torch.allclose(shares[0] + shares[1], whole, atol=1e-6)


class KilledError(Exception):
    pass


@pytest.mark.takes(2)
def test_a_killed_training_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, and killed in the middle of an epoch."""
    monkeypatch.chdir(tmp_path)
    made = make_clips(tmp_path, still=False)
    whole = session(made, epochs=4)
    expected = whole.run("whole")
    whole.state.remove()
    killed, steps = session(made, epochs=4), 0
    step = killed.optimiser.step

    def step_or_die() -> None:
        nonlocal steps
        steps += 1
        if steps == 8:  # of 3 an epoch: two epochs are done
            raise KilledError
        step()

    monkeypatch.setattr(killed.optimiser, "step", step_or_die)
    with pytest.raises(KilledError):
        killed.run("killed")
    again = session(made, epochs=4)
    assert again._resume() == 2
    found = session(made, epochs=4).run("again")
    assert found.curves.equals(expected.curves)
    assert found.best_epoch == expected.best_epoch
    for name, value in expected.weights.items():
        assert torch.equal(found.weights[name], value), name
    assert session(made, epochs=5)._resume() == 0  # another training does not take it up


def test_a_damaged_checkpoint_is_reported_by_the_first_process(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    one = session(made, epochs=1)
    one.run("whole")
    content = one.state.path.read_bytes()
    one.state.path.write_bytes(content[: len(content) // 2])
    first, second = (session(made, epochs=1, processes=ALONE._replace(rank=rank)) for rank in (0, 1))
    assert first.state.path == one.state.path
    assert (first._resume(), second._resume()) == (0, 0)
    assert capsys.readouterr().err.count(f"{one.state.path}: this checkpoint is damaged") == 1


@pytest.mark.takes(2)
def test_it_learns_and_keeps_the_best_epoch(made: Made) -> None:
    result = session(made, lambda_=0.0, epochs=12).run("test")
    curves = result.curves
    assert curves["task_loss"].iloc[-1] < 0.7 * curves["task_loss"].iloc[0]
    assert result.best_epoch == 1 + curves["validation_loss"].argmin()
    assert (curves["adversarial_gradient"] == 0).all()  # lambda 0: the classifier only watches
    assert (curves["task_gradient"] > 0).all()
    assert curves["adversarial_loss"].iloc[-1] < curves["adversarial_loss"].iloc[0]  # ... but learns


def test_spread_is_the_covariance_of_errors_on_validation_clips(made: Made) -> None:
    one = session(made, epochs=1)
    result = one.run("test")
    model = load_weights(make_model(made.start.recipe), result.weights).eval()
    (waveforms,) = made.validation.waveforms.stream([range(6)])
    with torch.inference_mode():
        errors = model(one._inputs(waveforms)) - made.validation.scores
    covariance = errors.T @ errors / 6
    covariance += 1e-3 * covariance.diagonal().mean() * torch.eye(2)
    assert torch.allclose(model.spread @ model.spread.T, covariance, rtol=1e-4)


def test_a_rate_too_high_is_explained(made: Made) -> None:
    with pytest.raises(DatmosError, match=r"diverged \(seed 0, epoch 1\).*finetune\.learning_rate"):
        session(made, learning_rate=1e30).run("test")
