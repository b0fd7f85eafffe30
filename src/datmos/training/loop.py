"""The one training loop: every strategy of params.yaml goes through it, and differs only in its entry there.

All members of a training, the seeds of a strategy (and every K of the granularity ablation), are one batched model
(`datmos.heads.stacked`). What a strategy is made of stands elsewhere: its head in `datmos.heads`, the terms of its
loss in `datmos.training.objective`, which weights are kept in `datmos.training.kept_weights`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from datmos.core.device import mixed_precision
from datmos.core.registry import find
from datmos.core.seeding import stream, torch_seed
from datmos.core.store import EmbeddingStore
from datmos.heads.interface import HeadOptions, error_spread
from datmos.heads.reader import EmbeddingReader
from datmos.heads.registry import HEADS
from datmos.heads.stacked import member_state, stack
from datmos.training.checkpoint import Resumable, Streams, checkpoint_path
from datmos.training.curves import Curves
from datmos.training.domain_labels import DomainLabels
from datmos.training.erased import erased_directions
from datmos.training.kept_weights import make_keep
from datmos.training.losses import scale_of
from datmos.training.objective import Batch, Setup, Term, make_terms
from datmos.training.optimiser import Adam
from datmos.training.settings import StrategyParams, TrainParams
from datmos.training.task import Task

CODE = ("core", "heads", "training")  # packages that the result depends on
VALIDATION_BATCH = 64  # bounds memory


class Split(NamedTuple):
    """Clips to train or validate on."""

    rows: np.ndarray  # (N,) rows of the embedding store
    scores: Tensor  # (N, A)


class Trained(NamedTuple):
    """What came of one member."""

    weights: dict[str, Tensor]  # head.*, and what terms train (classifier.<branch>.*), as kept
    curves: pd.DataFrame  # one row an epoch
    best_epoch: int


class Training:
    """One run of the loop: what it trains, and the state that a checkpoint holds.

    First weights, dropout and batch order come from streams named by the seed alone, so that strategies trained
    with the same seed are paired, and a member is the same alone and among others (to rounding).

    Args:
        seeds: of the members, (M,).
        store: the embeddings.
        training: N clips.
        validation: clips that choose the epoch.
        domains: labels of the training clips for every member, (M, N, branches).
        options: of the head.
        statistics: what `channel_statistics` returned, or None to train on the embeddings as they are.
        strategy: the entry of params.yaml.
        train: settings that all strategies share.
        device: where to compute.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        store: EmbeddingStore,
        training: Split,
        validation: Split,
        domains: DomainLabels,
        options: HeadOptions,
        statistics: tuple[Tensor, Tensor] | None,
        strategy: StrategyParams,
        train: TrainParams,
        device: torch.device,
    ) -> None:
        self.seeds, self.train, self.device, self.validation = seeds, train, device, validation
        self.domains = domains.labels.to(device)
        kind = find(HEADS, strategy.head)
        ratings = scale_of(training.scores, options.scale).to(device)
        self.reader, self.scores = EmbeddingReader(store, training.rows, device, kind.reads), training.scores
        self.validation_reader = EmbeddingReader(store, validation.rows, device, kind.reads)
        self.head = stack([_made(kind, options, seed) for seed in seeds]).to(device)
        if statistics is not None:
            self.head.standardise(*statistics)
        self.erased = erased_directions(self.head, store, training.rows, domains, strategy)
        self.head.erase(self.erased)
        scores = training.scores.to(device)
        setup = Setup(seeds, strategy, train, self.head, ratings, scores, self.domains, domains.branches)
        self.terms = make_terms(setup).to(device)
        self.task = cast(Task, self.terms["task"])
        trained = {name: model for term in self._each_term() for name, model in term.models().items()}
        self.models = nn.ModuleDict({"head": self.head} | trained)
        decoupled = train.optimiser == "adamw"
        self.optimiser = Adam(self.models.parameters(), train.learning_rate, strategy.l2, decoupled)
        self.orders, self.noise = _streams("order", seeds), _streams("dropout", seeds, device)
        columns = [name for term in self._each_term() for name in term.columns]
        self.curves = Curves(seeds, [*columns, "validation_loss"], "train.learning_rate")
        self.kept = make_keep(self.models.state_dict(), train.checkpoint, train.epochs)
        path = checkpoint_path(
            CODE, list(seeds), options, strategy.model_dump(), train.model_dump(), store.info, device.type,
            store.pooled[training.rows].tobytes(), training.scores, validation.scores, domains.labels,
        )  # fmt: skip
        self.state = Resumable(
            path,
            {
                "head": self.head, "terms": self.terms, "optimiser": self.optimiser,
                "curves": self.curves, "kept": self.kept,
                "streams": Streams({"order": self.orders, "dropout": self.noise}),
            },
        )  # fmt: skip

    def run(self, description: str) -> list[Trained]:
        """Train all epochs, from the last checkpoint if there is one, with a progress bar.

        The last checkpoint stays: `Resumable.remove` of ``state`` is for when nothing of it can be needed any more.

        Raises:
            DatmosError: a loss is not finite, or a checkpoint can't be written or read.
        """
        start, count = self.state.resume(), len(self.scores)
        batches = -(-count // self.train.batch_size)
        total = self.train.epochs * batches
        with (
            self.state.telling(),
            tqdm(total=total, initial=start * batches, desc=description, unit="batch") as progress,
        ):
            for epoch in range(start + 1, self.train.epochs + 1):
                seen = torch.zeros((), dtype=torch.float64)
                for places in shuffled(count, self.train.batch_size, self.orders):
                    seen = seen + self._step(places)
                    progress.update()
                losses, ranks, _ = self._validate()
                self.curves.add(epoch, torch.cat([seen / count, losses[:, None]], dim=1))
                values = -ranks if self.train.checkpoint == "validation_srcc" else losses
                self.kept.update(epoch, values, self.models.state_dict())
                self.state.save(epoch)
        self.models.load_state_dict(self.kept.weights)
        if getattr(self.task.of_clips, "is_point", False):  # its covariance is that of its errors
            spread = error_spread(self._validate()[2] - self.validation.scores)
            self.kept.weights["head.spread"] = spread.to(self.device)
        epochs = self.kept.epoch.tolist()
        return [Trained(member_state(self.kept.weights, m), self.curves.table(m), e) for m, e in enumerate(epochs)]

    def _step(self, places: Tensor) -> Tensor:
        """Train on the batch at ``places`` (M, B); returns sums over its clips for the curves, (M, columns)."""
        self.models.train()
        clips = places.to(self.device)
        domains = self.domains.gather(1, clips.unsqueeze(-1).expand(-1, -1, self.domains.shape[2]))
        with mixed_precision(self.device):
            encoded = self.head.encode(self.reader.read(places), self.noise)
            predicted = self.head.predict(encoded.h)
        scores = self.scores[places].to(self.device)
        batch = Batch(predicted, encoded.h.float(), encoded.view, scores, clips, domains)
        losses, told = zip(*(term.loss(batch) for term in self._each_term()), strict=True)
        self.optimiser.zero_grad()
        sum(losses).sum().backward()
        if self.train.gradient_clip is not None:
            clip_gradients(list(self.models.parameters()), self.train.gradient_clip)
        self.optimiser.step()
        self.head.erase(self.erased)
        for term in self._each_term():
            term.after_step(batch)
        seen = torch.cat([own for own in told if own is not None], dim=1)
        return seen.detach().double().cpu() * places.shape[1]

    @torch.inference_mode()
    def _validate(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean task loss, SRCC of the first aspect, (M,) each, and predictions (M, N, A) of validation clips."""
        total, means = torch.zeros(len(self.seeds), dtype=torch.float64), []
        self.models.eval()
        for places in torch.arange(len(self.validation.rows)).split(VALIDATION_BATCH):
            with mixed_precision(self.device):
                predicted = self.head(self.validation_reader.read(places[None]))
            scores = self.validation.scores[places].to(self.device).expand(len(self.seeds), -1, -1)
            total += self.task.losses(predicted, scores).sum(dim=1).double().cpu()
            means.append(predicted.mean.cpu())
        predictions = torch.cat(means, dim=1)
        ranks = rank_correlation(predictions[:, :, 0], self.validation.scores[:, 0])
        return total / len(self.validation.rows), ranks, predictions

    def _each_term(self) -> Iterator[Term]:
        return cast(Iterator[Term], iter(self.terms.values()))


def shuffled(count: int, batch_size: int, streams: Sequence[torch.Generator]) -> Iterator[Tensor]:
    """Cut an epoch into batches: yields places 0..count-1, int64, (M, B), an order for each of the M streams."""
    orders = torch.stack([torch.randperm(count, generator=stream) for stream in streams])
    yield from orders.split(batch_size, dim=1)


def rank_correlation(predicted: Tensor, actual: Tensor) -> Tensor:
    """Spearman's correlation of every member's predictions (M, N) with scores (N,): float64, (M,); NaN if constant.

    pandas ranks as scipy.stats does, which takes longer to import than a small training takes.
    """
    table = pd.DataFrame(torch.cat([predicted, actual[None]]).numpy()).rank(axis=1)
    centred = torch.from_numpy(table.sub(table.mean(axis=1), axis=0).to_numpy(copy=True))
    ours, theirs = centred[:-1], centred[-1]
    return (ours @ theirs) / (ours.square().sum(dim=1) * theirs.square().sum()).sqrt()


def clip_gradients(parameters: Sequence[Tensor], limit: float) -> None:
    """Scale down the gradient of every member whose Euclidean norm is above ``limit``."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    factor = (limit / (norms + 1e-6)).clamp(max=1.0)  # (M,)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _made(kind: Any, options: HeadOptions, seed: int) -> Any:
    with torch_seed("init", seed):
        return kind(options)


def _streams(name: str, seeds: Sequence[int], device: torch.device | str = "cpu") -> list[torch.Generator]:
    return [stream(name, seed, device=device) for seed in seeds]
