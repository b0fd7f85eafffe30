"""The one training loop: every strategy of params.yaml goes through it, and differs only in its entry there.

All members of a training, the seeds of a strategy (and every K of the granularity ablation), are one batched model
(`datmos.heads.stacked`): a batch of embeddings is read once for all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from tqdm import tqdm

from datmos.core.device import mixed_precision
from datmos.core.errors import DatmosError
from datmos.core.seeding import derive_seed, torch_seed
from datmos.core.store import EmbeddingStore
from datmos.heads.interface import HeadOptions, error_spread
from datmos.heads.reader import FrameReader, shuffled
from datmos.heads.registry import HEADS
from datmos.heads.stacked import member_state, stack
from datmos.params.schema import BRANCHES, StrategyParams, TrainParams
from datmos.training.adversary import DomainClassifier, loss_weights, warm_up
from datmos.training.checkpoints import (
    Checkpoint,
    checkpoint_path,
    flat_state,
    group_state,
    load_checkpoint,
    save_checkpoint,
    under,
)
from datmos.training.invariance import INVARIANCES
from datmos.training.losses import POINT_LOSSES, TASK_LOSSES, Ratings
from datmos.training.mixup import draw_partners
from datmos.training.triplet import TripletBuffer

VALIDATION_BATCH = 64  # bounds memory
SHARED = "every seed"  # names the streams that all members share
MIXUP_BANDWIDTH = 0.5  # of C-Mixup's kernel, in standard deviations of the scores


class Split(NamedTuple):
    """Clips to train or validate on."""

    rows: np.ndarray  # (N,) rows of the embedding store
    scores: Tensor  # (N, A)


class Trained(NamedTuple):
    """What came of one member."""

    weights: dict[str, Tensor]  # head.* and classifier.<branch>.*, of the epoch that was kept
    curves: pd.DataFrame  # one row an epoch
    best_epoch: int


class Training:
    """One run of the loop: what it trains, and the state that a checkpoint holds.

    The loss of a member is its objective (the task loss, or what `datmos.training.invariance` makes of it) + the
    sum over adversaries of ``lambda * cross-entropy`` behind a gradient reversal: each domain classifier learns to
    read its domains from h, the encoder of the head to hide them (paper arXiv 2603.16201). With lambda 0 the
    classifier learns too, but nothing flows back from it: its accuracy tells what h gives away.

    First weights, dropout and, unless ``train.shared_order`` is set, batch order come from streams named by the
    seed alone, so that strategies trained with the same seed are paired, and a member is the same alone and
    among others (to rounding).

    Args:
        seeds: of the members, (M,).
        store: the embeddings.
        training: N clips.
        validation: clips that choose the epoch.
        domains: labels of the training clips, int64, (M, N, branches).
        options: of the head.
        statistics: what `channel_statistics` returned, or None to train on the embeddings as they are.
        strategy: the recipe.
        train: settings that all strategies share.
        device: where to compute.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        store: EmbeddingStore,
        training: Split,
        validation: Split,
        domains: Tensor,
        options: HeadOptions,
        statistics: tuple[Tensor, Tensor] | None,
        strategy: StrategyParams,
        train: TrainParams,
        device: torch.device,
    ) -> None:
        members = len(seeds)
        self.seeds, self.strategy, self.train, self.device = seeds, strategy, train, device
        self.training, self.validation, self.domains = training, validation, domains.to(device)
        kind = HEADS[strategy.head]
        self.reader = FrameReader(store, training.rows, device, kind.reads_layers)
        self.validation_reader = FrameReader(store, validation.rows, device, kind.reads_layers)
        mean, std = training.scores.mean(0), training.scores.std(0, correction=0).clamp(min=1e-6)
        self.ratings = Ratings(mean.to(device), std.to(device), *options.scale)
        self.normal_scores = (training.scores - mean) / std  # (N, A)
        self.score_bins = bin_scores(self.normal_scores, strategy.score_bins).to(device)  # (N,)
        self.checkpoint = checkpoint_path(
            list(seeds), options, strategy.model_dump(), train.model_dump(), store.info, device.type,
            store.pooled[training.rows].tobytes(), training.scores, validation.scores, domains,
        )  # fmt: skip

        heads = []
        for seed in seeds:
            with torch_seed("init", seed):
                heads.append(kind(options))
        self.head = stack(heads).to(device)
        if statistics is not None:
            self.head.standardise(*statistics)
        self.classifiers = nn.ModuleList(self._classifier(branch) for branch in range(domains.shape[2])).to(device)
        self.models = nn.ModuleDict({"head": self.head, "classifier": self.classifiers})
        counts = (domains[..., 0].amax(dim=1) + 1).tolist()
        self.objective = INVARIANCES[strategy.invariance](counts, strategy.invariance_weight).to(device)
        self.triplets = TripletBuffer(members, self.head.width, len(options.aspects)).to(device)
        optimiser = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[train.optimiser]
        self.optimiser = optimiser(
            self.models.parameters(), train.learning_rate, weight_decay=strategy.l2, fused=True
        )
        orders: Sequence[int | str] = [SHARED] if train.shared_order else seeds
        self.streams = {
            "order": [_stream("order", name) for name in orders],
            "mixup": [_stream("mixup", name) for name in orders],
            "dropout": [_stream("dropout", seed, device=device) for seed in seeds],
        }
        self.columns = 2 + 2 * len(self.classifiers)  # task loss; loss and accuracy of each classifier; validation
        self.curves = torch.empty(0, members, self.columns, dtype=torch.float64)
        self.best = torch.full((members,), torch.inf, dtype=torch.float64)  # lowest value of the checkpoint rule
        self.best_epoch = torch.zeros(members, dtype=torch.int64)
        self.kept = self._weights()  # of the best epoch of each member, or the mean of the last epochs

    def _classifier(self, branch: int) -> DomainClassifier:
        """Make one branch's classifier for all members; those with fewer domains than others are padded."""
        counts = [int(own[:, branch].max()) + 1 for own in self.domains]
        made = []
        for seed, count in zip(self.seeds, counts, strict=True):
            with torch_seed("adversary", seed, branch):
                made.append(
                    DomainClassifier(self.head.view_width, count, self.strategy.score_bins, padded=max(counts))
                )
        return stack(made)

    def run(self, description: str) -> list[Trained]:
        """Train all epochs, from the last checkpoint if there is one, with a progress bar.

        Raises:
            DatmosError: a loss is not finite.
        """
        start, count = self._resume(), len(self.training.rows)
        batches = -(-count // self.train.batch_size)
        total = self.train.epochs * batches
        with tqdm(total=total, initial=start * batches, desc=description, unit="batch") as progress:
            for epoch in range(start + 1, self.train.epochs + 1):
                sums = torch.zeros(len(self.seeds), self.columns - 1, dtype=torch.float64)
                for places in shuffled(count, self.train.batch_size, self.streams["order"]):
                    sums += self._step(places, progress.n / total)
                    progress.update()
                losses, ranks = self._validate()
                row = torch.cat([sums / count, losses[:, None]], dim=1)
                self._check_finite(row, epoch)
                self.curves = torch.cat([self.curves, row[None]])
                self._keep(epoch, losses if self.train.checkpoint == "validation_loss" else -ranks)
                save_checkpoint(self.checkpoint, Checkpoint(epoch, self._state()))
        self.models.load_state_dict(self.kept)
        if self.strategy.loss in POINT_LOSSES:
            self._set_spread()
        trained = self._trained()
        self.checkpoint.unlink()
        return trained

    def _step(self, places: Tensor, progress: float) -> Tensor:
        """Train on the batch at ``places`` (1 or M, B); returns sums over its clips, (M, columns - 1)."""
        strategy, members = self.strategy, len(self.seeds)
        self.models.train()
        frames, scores = self.reader.read(places), self.training.scores[places]
        if strategy.mixup > 0:
            frames, scores = self._mix(places, frames, scores)
        scores = scores.to(self.device).expand(members, -1, -1)
        normal = (scores - self.ratings.mean) / self.ratings.std
        own = places.to(self.device).expand(members, -1)  # (M, B)
        domains = self.domains.gather(1, own.unsqueeze(-1).expand(-1, -1, len(self.classifiers)))
        with mixed_precision(self.device):
            encoded = self.head.encode(frames, self.streams["dropout"])
            predicted = self.head.predict(encoded.h)
        h = encoded.h.float()
        task = TASK_LOSSES[strategy.loss](predicted, scores, self.ratings)  # (M, B)
        loss = self.objective(task, h, domains[..., 0])
        seen = [task.mean(dim=1)]
        for branch, lambda_ in enumerate(strategy.lambda_):
            weight, reversal = loss_weights(lambda_, self.train.reversal)
            if strategy.warm_up:
                reversal *= warm_up(progress)
            classifier = cast(DomainClassifier, self.classifiers[branch])
            with mixed_precision(self.device):
                logits = classifier(encoded.views[branch % len(encoded.views)], reversal, self.score_bins[own])
            entropy = classifier.loss(logits, domains[..., branch], strategy.label_smoothing).mean(dim=1)
            loss = loss + weight * entropy
            seen += [entropy, (logits.argmax(dim=-1) == domains[..., branch]).float().mean(dim=1)]
        if strategy.triplet > 0:
            loss = loss + strategy.triplet * self.triplets.loss(h, normal, own)
        self.optimiser.zero_grad()
        loss.sum().backward()
        if self.train.gradient_clip is not None:
            clip_gradients(list(self.models.parameters()), self.train.gradient_clip)
        self.optimiser.step()
        if strategy.triplet > 0:
            self.triplets.push(h, normal, own)
        return torch.stack(seen, dim=1).detach().double().cpu() * places.shape[1]

    def _mix(self, places: Tensor, frames: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """C-Mixup: mix every clip, frames and scores, with a partner of like scores."""
        drawn = [
            draw_partners(self.normal_scores, own, MIXUP_BANDWIDTH, self.strategy.mixup, stream)
            for own, stream in zip(places, self.streams["mixup"], strict=True)
        ]
        partners, share = (torch.stack(parts) for parts in zip(*drawn, strict=True))  # (1 or M, B) each
        scores = torch.lerp(self.training.scores[partners], scores, share.unsqueeze(-1))
        share = (share if len(places) > 1 else share[0]).to(self.device)
        share = share.view(*share.shape, *[1] * (frames.dim() - share.dim()))
        return torch.lerp(self.reader.read(partners), frames, share), scores

    @torch.inference_mode()
    def _validate(self) -> tuple[Tensor, Tensor]:
        """Mean task loss of each member on the validation clips, and SRCC of the first aspect; (M,) each."""
        total, means = torch.zeros(len(self.seeds), dtype=torch.float64), []
        self.models.eval()
        for places in torch.arange(len(self.validation.rows)).split(VALIDATION_BATCH):
            with mixed_precision(self.device):
                predicted = self.head(self.validation_reader.read(places[None]))
            scores = self.validation.scores[places].to(self.device).expand(len(self.seeds), -1, -1)
            total += TASK_LOSSES[self.strategy.loss](predicted, scores, self.ratings).sum(dim=1).double().cpu()
            means.append(predicted.mean.cpu())
        self.validation_means = torch.cat(means, dim=1)  # (M, N, A)
        first = self.validation.scores[:, 0].numpy()
        ranks = [float(spearmanr(own[:, 0].numpy(), first).statistic) for own in self.validation_means]
        return total / len(self.validation.rows), torch.tensor(ranks, dtype=torch.float64)

    def _keep(self, epoch: int, values: Tensor) -> None:
        """Keep the weights of the members whose value is the lowest so far, or the mean over the last epochs.

        The mean is stochastic weight averaging (Izmailov et al., arXiv 1803.05407), at a constant rate.
        """
        now = self._weights()
        if self.strategy.average > 0:
            last = max(round(self.strategy.average * self.train.epochs), 1)
            count = epoch - (self.train.epochs - last)
            if count >= 1:
                for name, value in now.items():
                    if value.is_floating_point():
                        self.kept[name] = value if count == 1 else torch.lerp(self.kept[name], value, 1 / count)
                self.best_epoch.fill_(epoch)
            return
        better = (values < self.best) | (self.best_epoch == 0)
        self.best = torch.where(better, values.nan_to_num(torch.inf), self.best)
        self.best_epoch[better] = epoch
        for name, value in now.items():
            self.kept[name][better] = value[better]

    def _set_spread(self) -> None:
        """Give a point predictor the covariance of its errors on the validation clips."""
        self._validate()
        spread = error_spread(self.validation_means - self.validation.scores)
        self.kept["head.spread"] = spread.to(self.device)

    def _trained(self) -> list[Trained]:
        names = ["task_loss"]
        for branch in BRANCHES.get(self.strategy.domains, ("",)):
            names += [f"adversarial_loss{branch and '_'}{branch}", f"domain_accuracy{branch and '_'}{branch}"]
        names.append("validation_loss")
        results = []
        for member, best_epoch in enumerate(self.best_epoch.tolist()):
            curves = pd.DataFrame(self.curves[:, member].numpy(), columns=names)
            curves.insert(0, "epoch", np.arange(1, len(curves) + 1))
            for column in ("adversarial_loss", "domain_accuracy"):
                if column not in curves:
                    curves[column] = curves[[name for name in names if name.startswith(column)]].mean(axis=1)
            results.append(Trained(member_state(self.kept, member), curves, best_epoch))
        return results

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.models.state_dict().items()}

    def _state(self) -> dict[str, Tensor]:
        """All that changes during training, by name."""
        state = {"curves": self.curves, "best": self.best, "best_epoch": self.best_epoch}
        for prefix, part in (
            ("models", self.models.state_dict()),
            ("kept", self.kept),
            ("objective", self.objective.state_dict()),
            ("triplets", self.triplets.state_dict()),
            ("optimiser", flat_state(self.optimiser)),
        ):
            state |= {f"{prefix}.{name}": value for name, value in part.items()}
        for name, streams in self.streams.items():
            state |= {f"streams.{name}.{index}": stream.get_state() for index, stream in enumerate(streams)}
        return state

    def _resume(self) -> int:
        """Take up the checkpoint of this training, if there is one; returns the epoch it was made after, or 0."""
        checkpoint = load_checkpoint(self.checkpoint)
        if checkpoint is None:
            return 0
        saved = checkpoint.tensors
        self.curves, self.best, self.best_epoch = saved["curves"], saved["best"], saved["best_epoch"]
        self.models.load_state_dict(under(saved, "models."))
        self.kept = {name: value.to(self.device) for name, value in under(saved, "kept.").items()}
        self.objective.load_state_dict(under(saved, "objective."))
        self.triplets.load_state_dict(under(saved, "triplets."))
        moments = group_state(under(saved, "optimiser."))
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        for name, streams in self.streams.items():
            for index, stream in enumerate(streams):
                stream.set_state(saved[f"streams.{name}.{index}"])
        return checkpoint.epoch

    def _check_finite(self, row: Tensor, epoch: int) -> None:
        for seed, values in zip(self.seeds, row, strict=True):
            if not values.isfinite().all():
                names = ["task", *["adversarial", "accuracy"] * len(self.classifiers), "validation"]
                found = ", ".join(
                    f"{name} loss {value:g}"
                    for name, value in zip(names, values.tolist(), strict=True)
                    if name != "accuracy"
                )
                raise DatmosError(
                    f"training diverged: {found} (seed {seed}, epoch {epoch}). Lower train.learning_rate or the "
                    "strategy's lambda, and look at the scores and embeddings for outliers."
                )


def bin_scores(normal_scores: Tensor, bins: int) -> Tensor:
    """Cut clips into ``bins`` of equal size by the mean of their z-scored aspects (N, A); int64, (N,)."""
    rank = normal_scores.mean(dim=1).argsort(stable=True).argsort(stable=True)
    return rank * bins // len(rank)


def clip_gradients(parameters: Sequence[Tensor], limit: float) -> None:
    """Scale down the gradient of every member whose Euclidean norm is above ``limit``."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    factor = (limit / (norms + 1e-6)).clamp(max=1.0)  # (M,)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _stream(*names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(derive_seed(*names))
