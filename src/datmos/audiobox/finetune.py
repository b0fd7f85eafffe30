"""The fine-tuning loop: an encoder and its heads learn the ratings, an adversary reads domains from the pooled h.

The loss of a clip is ``sum over aspects of |error| + error^2`` on z-scored ratings (arXiv 2502.05139), plus for
each adversary ``lambda * cross-entropy`` behind a gradient reversal (arXiv 2603.16201): here the reversed gradient
reaches the encoder itself.

Randomness is a function of seed, epoch and place in the epoch, so that a training which was killed goes on after
its last finished epoch with no stream to restore. Several processes share every batch and add their gradients up.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from datmos.audiobox.model import Inputs
from datmos.audiobox.model_files import load_weights, make_model
from datmos.audiobox.settings import FinetuneParams
from datmos.audiobox.waveforms import Waveforms, collate
from datmos.audiobox.weights import Start
from datmos.core.device import mixed_precision
from datmos.core.processes import Processes, add_up
from datmos.core.seeding import derive_seed, torch_seed
from datmos.core.settings import AdversaryParams
from datmos.heads.interface import Head, error_spread
from datmos.training.adversary import Adversary, adversary_columns
from datmos.training.checkpoint import Resumable, checkpoint_path
from datmos.training.classifier import DomainClassifier
from datmos.training.curves import Curves
from datmos.training.domain_labels import DomainLabels
from datmos.training.kept_weights import BestEpoch
from datmos.training.optimiser import Adam

CODE = ("audio", "audiobox", "core", "heads", "training")  # packages that the result depends on
# of finetune: what a result depends on, next to the strategy and the weights it starts from
RESULT_DEPENDS_ON = {"epochs", "batch_size", "learning_rate", "at_once", "gradient_checkpointing"}


class Clips(NamedTuple):
    """N clips to train or validate on."""

    waveforms: Waveforms
    scores: Tensor  # (N, A)


class Finetuned(NamedTuple):
    """What came of one seed."""

    weights: dict[str, Tensor]  # of the model, of the epoch with the lowest validation loss
    curves: pd.DataFrame  # one row an epoch
    best_epoch: int


def audiobox_loss(predicted: Tensor, actual: Tensor) -> Tensor:
    """Absolute plus squared error, summed over aspects: z-scored ratings (B, A) each to (B,)."""
    error = predicted - actual
    return (error.abs() + error.square()).sum(dim=1)


class Finetuning:
    """One run of the loop, of one seed: what it trains, and the state that a checkpoint holds.

    First weights of heads and adversaries, batch order and dropout come from streams named by the seed alone, so
    that strategies trained with the same seed are paired.

    Args:
        seed: of all randomness.
        start: what it starts from.
        training: N clips.
        validation: clips that choose the epoch.
        domains: labels of the training clips.
        strategy: the entry of params.yaml.
        finetune: settings that all of them share.
        reversal: ``train.reversal``.
        processes: this process among those that share the work.
        depends_on: what else the result depends on: names the checkpoint.
    """

    def __init__(
        self,
        seed: int,
        start: Start,
        training: Clips,
        validation: Clips,
        domains: DomainLabels,
        strategy: AdversaryParams,
        finetune: FinetuneParams,
        reversal: str,
        processes: Processes,
        depends_on: object = None,
    ) -> None:
        self.seed, self.finetune, self.processes = seed, finetune, processes
        self.training, self.validation = training, validation
        self.device = processes.device
        self.extractor = start.recipe.extractor
        self.length = round(training.waveforms.hearing.window * self.extractor.sampling_rate)
        self.at_once = finetune.at_once or finetune.batch_size
        with torch_seed("init", seed):
            self.model = load_weights(make_model(start.recipe), start.weights)
        if "target_std" not in start.weights:
            self.model.target_mean.copy_(training.scores.mean(dim=0))
            self.model.target_std.copy_(training.scores.std(dim=0, correction=0).clamp(min=1e-6))
        if finetune.gradient_checkpointing:
            _recompute_activations(self.model.encoder)
        self.domains = domains.labels.to(self.device)
        self.adversaries = [
            Adversary(_classifier(self.model.width, seed, branch, labels), lambda_, reversal)
            for branch, (labels, lambda_) in enumerate(
                zip(domains.labels.unbind(dim=1), strategy.lambda_, strict=True)
            )
        ]
        self.classifiers = nn.ModuleList(adversary.classifier for adversary in self.adversaries)
        self.models = nn.ModuleDict({"model": self.model, "classifier": self.classifiers}).to(self.device)
        self.normal_scores = self.model.normalise(training.scores.to(self.device))  # (N, A)
        self.optimiser = Adam(self.models.parameters(), finetune.learning_rate, weight_decay=0.0, decoupled=True)
        told = ["task_loss", *adversary_columns(domains.branches)]
        self.told = len(told)  # by every batch; the rest by every epoch
        columns = [*told, "validation_loss", "task_gradient", "adversarial_gradient"]
        self.curves = Curves([seed], columns, "finetune.learning_rate")
        self.kept = BestEpoch(self._weights(), torch.device("cpu"))
        path = checkpoint_path(
            CODE, seed, strategy.model_dump(), finetune.model_dump(include=RESULT_DEPENDS_ON), reversal,
            self.device.type, processes.total, start.recipe.shape, start.recipe.config.to_dict(), self.length,
            depends_on, *(start.weights[name] for name in sorted(start.weights)), training.scores,
            validation.scores, domains.labels,
        )  # fmt: skip
        parts = {"models": self.models, "curves": self.curves, "kept": self.kept}
        self.state = Resumable(path, parts | {"optimiser": self.optimiser})

    def run(self, description: str) -> Finetuned:
        """Train all epochs, from the last checkpoint if there is one, with a progress bar.

        The last checkpoint stays: whoever has written the result removes it (``state.remove()``).

        Raises:
            DatmosError: a loss is not finite, a clip can't be read, or a checkpoint can't be written or read.
        """
        first, count = self._resume() + 1, len(self.training.scores)
        epochs = self.finetune.epochs
        batches = -(-count // self.finetune.batch_size)
        devices = [self.device] if self.device.type == "cuda" else []
        if devices:  # sums on a GPU else depend on which thread comes first
            torch.use_deterministic_algorithms(True, warn_only=True)
        with (
            self.state.telling(),
            torch.random.fork_rng(devices),
            tqdm(total=epochs * batches, initial=(first - 1) * batches, desc=description, unit="batch",
                 disable=self.processes.rank > 0) as progress,
        ):  # fmt: skip
            for epoch in range(first, epochs + 1):
                sums = torch.zeros(self.told, dtype=torch.float64)
                for seen in self._train(epoch):
                    sums += seen
                    progress.update()
                    progress.set_postfix(epoch=epoch, refresh=False)
                seen = add_up(sums.float().to(self.device), self.processes).cpu().double()
                loss = self._validate()
                row = torch.cat([seen / count, torch.tensor([loss, *self._gradients()], dtype=torch.float64)])
                self.curves.add(epoch, row[None])
                self.kept.update(epoch, torch.tensor([loss], dtype=torch.float64), self._weights())
                if self.processes.rank == 0:
                    self.state.save(epoch)
        best = {name: value[0] for name, value in self.kept.weights.items()}
        self.model.load_state_dict(best)
        errors = self._predict_validation() - self.validation.scores
        return Finetuned(
            best | {"spread": error_spread(errors[None])[0]}, self.curves.table(0), int(self.kept.epoch)
        )

    def _train(self, epoch: int) -> Iterator[Tensor]:
        """Train on every batch of an epoch; yields sums over this process's clips of it, (told,)."""
        shuffle = torch.Generator().manual_seed(derive_seed("order", self.seed, epoch))
        order = torch.randperm(len(self.training.scores), generator=shuffle)
        batches = order.split(self.finetune.batch_size)
        rank, total = self.processes.rank, self.processes.total
        mine = [batch[rank::total] for batch in batches]
        shares = [own.split(self.at_once) if len(own) else () for own in mine]  # in parts, whose gradients add up
        read = self.training.waveforms.stream(part.tolist() for share in shares for part in share)
        for number, (batch, share) in enumerate(zip(batches, shares, strict=True)):
            self.optimiser.zero_grad()
            seen = torch.zeros(self.told, dtype=torch.float64)
            for part, places in enumerate(share):
                inputs = self._inputs(next(read))
                torch.manual_seed(derive_seed("dropout", self.seed, epoch, number, rank, part))
                self.models.train()
                task, adversarial, own = self._losses(inputs, places)
                ((task + adversarial).sum() / len(batch)).backward()
                seen += own
            self._share_gradients()
            self.optimiser.step()
            yield seen

    def _losses(self, inputs: Inputs, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Task loss and weighted loss of the adversaries of every clip, (B,) each; and sums for the curves."""
        places = places.to(self.device)
        with mixed_precision(self.device):
            pooled = self.model.pool(inputs)
            predicted = self.model.predict(pooled)
        task = audiobox_loss(predicted, self.normal_scores[places])
        adversarial, seen = torch.zeros_like(task), [task]
        h = pooled.flatten(1).unsqueeze(0)  # one member
        for branch, adversary in enumerate(self.adversaries):
            entropy, hits = adversary(h, self.domains[places, branch].unsqueeze(0))
            adversarial = adversarial + adversary.weight * entropy[0]
            seen += [entropy[0], hits[0]]
        return task, adversarial, torch.stack([one.detach().float().sum() for one in seen]).cpu()

    def _inputs(self, waveforms: list[Tensor]) -> Inputs:
        return collate(waveforms, self.length, self.extractor, self.device)

    def _share_gradients(self) -> None:
        """Add the gradients of all processes up. Each has divided by the size of the whole batch."""
        if self.processes.total == 1:
            return
        parameters = list(self.models.parameters())
        for parameter in parameters:
            if parameter.grad is None:  # this process had no clip of the batch
                parameter.grad = torch.zeros_like(parameter)
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        flat = add_up(torch.cat([gradient.flatten() for gradient in gradients]), self.processes)
        for gradient, own in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(own.view_as(gradient))

    @torch.no_grad()
    def _predict_validation(self) -> Tensor:
        """Predicted ratings of the validation clips, on the CPU, (N, A)."""
        self.models.eval()
        scores = torch.zeros_like(self.validation.scores, device=self.device)
        places = torch.arange(len(scores))[self.processes.rank :: self.processes.total]
        parts = places.split(self.at_once) if len(places) else ()
        for part, waveforms in zip(
            parts, self.validation.waveforms.stream(part.tolist() for part in parts), strict=True
        ):
            with mixed_precision(self.device):
                scores[part.to(self.device)] = self.model(self._inputs(waveforms))
        return add_up(scores, self.processes).cpu()

    def _validate(self) -> float:
        """Mean task loss of the validation clips."""
        predicted, actual = self._predict_validation().to(self.device), self.validation.scores.to(self.device)
        return float(audiobox_loss(self.model.normalise(predicted), self.model.normalise(actual)).mean())

    def _gradients(self) -> tuple[float, float]:
        """Norm of the gradient at all weights of the encoder, of the task loss and of the adversaries'.

        Of a few training clips, always the same: whether, and how hard, each pulls at the encoder.
        """
        sample = torch.Generator().manual_seed(derive_seed("gradients", self.seed))
        places = torch.randperm(len(self.training.scores), generator=sample)[: self.at_once]
        inputs = self._inputs(next(self.training.waveforms.stream([places.tolist()])))
        parameters = list(self.model.encoder.parameters())
        norms = []
        for which in (0, 1):
            torch.manual_seed(derive_seed("gradients", self.seed))
            self.models.train()
            loss = self._losses(inputs, places)[which].mean()
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            norms.append(float(torch.stack([own.norm() for own in gradients if own is not None]).norm()))
        return norms[0], norms[1]

    def _weights(self) -> dict[str, Tensor]:
        """Weights of the model as of one member, (1, ...) each."""
        return {name: value.unsqueeze(0) for name, value in self.model.state_dict().items()}

    def _resume(self) -> int:
        """Take up the checkpoint of this training, if there is one; returns the epoch it was made after, or 0."""
        epoch = self.state.resume(told=self.processes.rank == 0)
        self.processes.wait()  # nobody writes a new one before all have read this one
        return epoch


def _classifier(width: int, seed: int, branch: int, labels: Tensor) -> DomainClassifier:
    with torch_seed("adversary", seed, branch):
        return DomainClassifier((width, *Head.classifier_widths), int(labels.max()) + 1)


def _recompute_activations(encoder: object) -> None:
    """Gradient checkpointing: keep each block's input alone, and compute the rest again on the way back."""
    for name in ("activation_checkpointing_enable", "gradient_checkpointing_enable"):  # new and old transformers
        if enable := getattr(encoder, name, None):
            enable({"use_reentrant": False})
            return
