"""Heads as an ONNX file, for programs without PyTorch.

What comes out is one Gaussian a clip: the mean and covariance of the mixture of all members (seeds). The file is
run and compared with PyTorch before it gets its name.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from datmos.core.errors import DatmosError
from datmos.core.files import replacing
from datmos.core.predictions import mix
from datmos.core.seeding import derive_seed
from datmos.heads.interface import Head, as_read
from datmos.heads.model_files import Models
from datmos.scoring.extras import needs

TOLERANCE = 1e-4  # absolute and relative, between ONNX Runtime and PyTorch
INPUT, OUTPUTS = "embeddings", ("score_mean", "score_covariance")
BATCHES = (1, 3)  # sizes that are checked; the graph is made with 2


class Predictor(nn.Module):
    """Heads as one function of embeddings.

    Args:
        models: of all seeds.
    """

    def __init__(self, models: Models) -> None:
        super().__init__()
        # In training mode, since what a head does in evaluation mode (it looks whether its spread is set) can't be
        # a graph. Nothing else in a head heeds the mode: dropout comes from `noise` alone.
        self.head: Head = copy.deepcopy(models.head).cpu().train()
        self.has_spread = bool(models.head.spread.any())

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, D, T), or (B, L, D, T) for heads that read layers, to mean (B, A) and covariance (B, A, A)."""
        layers = embeddings if embeddings.dim() == 4 else embeddings.unsqueeze(1)
        gaussian = self.head(as_read(layers, self.head.reads))
        covariance = gaussian.covariance  # (M, B, A, A)
        if self.has_spread:
            covariance = (self.head.spread @ self.head.spread.mT).unsqueeze(1).expand_as(covariance)
        mean, mixed = mix(gaussian.mean, covariance)
        return mean, mixed


def export_head(predictor: Predictor, shape: tuple[int, ...], path: Path) -> None:
    """Write the heads: ``embeddings`` (B, ...) -> ``score_mean`` (B, A), ``score_covariance`` (B, A, A).

    Args:
        predictor: of the heads.
        shape: of one clip's embeddings.
        path: file to write.

    Raises:
        DatmosError: ONNX is not installed, or the file doesn't compute what PyTorch does.
    """
    needs("onnx", "onnx", "onnxscript", "onnxruntime")
    with torch.no_grad(), _quiet(), replacing(path) as temporary:
        program = torch.onnx.export(
            predictor,
            (_made_up(2, shape),),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )
        assert program is not None
        program.save(temporary)
        _compare(predictor, shape, temporary, path)


def _compare(predictor: Predictor, shape: tuple[int, ...], written: Path, path: Path) -> None:
    """Run the file beside PyTorch, on batches of other sizes than it was made with."""
    import onnxruntime

    session = onnxruntime.InferenceSession(written.read_bytes(), providers=["CPUExecutionProvider"])
    for size in BATCHES:
        clips = _made_up(size, shape)
        found = session.run(list(OUTPUTS), {INPUT: clips.numpy()})
        for output, expected, got in zip(OUTPUTS, predictor(clips), found, strict=True):
            apart = float(np.abs(expected.numpy() - got).max())
            if not np.allclose(got, expected.numpy(), rtol=TOLERANCE, atol=TOLERANCE):
                raise DatmosError(
                    f"{path.name}: ONNX Runtime differs from PyTorch by {apart:.2g} in {output} (batch of {size}); "
                    f"at most {TOLERANCE:g} is expected. It was not written; score with datmos instead."
                )


def _made_up(clips: int, shape: tuple[int, ...]) -> Tensor:
    """Make up embeddings (clips, D, T) of noise."""
    return torch.randn(clips, *shape, generator=torch.Generator().manual_seed(derive_seed("onnx", clips)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks (no torchvision, constants not folded) off the terminal."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
