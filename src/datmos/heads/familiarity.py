"""Where a model's train clips lie among all sound, so that a clip that is nothing like them can be told."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from datmos.core.errors import DatmosError
from datmos.core.tensors import TensorKind, read_kinds, read_tensors, save_tensors

CLUSTERS = 8  # at most; fixed, so that `kmeans.k` does not retrain strategies that know no clusters
STARTS = 20  # of K-means; the best is kept
FILE = "familiarity.safetensors"


class Familiarity(NamedTuple):
    """Clusters of the train clips' time-mean embeddings, and how far validation clips are from them."""

    mean: np.ndarray  # (D,) float64, of the train clips
    std: np.ndarray  # (D,)
    centres: np.ndarray  # (K, D), of K-means on standardised channels, none of them empty
    validation: np.ndarray  # (N,) ascending: distances of the validation clips

    def distance(self, pooled: np.ndarray) -> np.ndarray:
        """Distance of clips (B, D) to the nearest centre, (B,): root mean square over channels, in train SDs."""
        points = (pooled.astype(np.float64) - self.mean) / self.std
        squares = np.square(points[:, None] - self.centres).mean(axis=2)  # (B, K)
        distances: np.ndarray = np.sqrt(squares.min(axis=1))
        return distances

    def percentile(self, distance: float) -> float:
        """Return the percentage of validation clips that are no farther away than ``distance``."""
        return 100.0 * float(np.searchsorted(self.validation, distance, side="right")) / len(self.validation)


def fit_familiarity(train: np.ndarray, validation: np.ndarray) -> Familiarity:
    """Describe the train clips by time means of their embeddings, (N, D) each."""
    # scipy's and not scikit-learn's, which takes longer to import than a small training takes. Here, since scoring
    # needs neither
    from scipy.cluster.vq import kmeans

    points = train.astype(np.float64)
    mean, std = points.mean(axis=0), points.std(axis=0)
    std = np.where(std > 1e-3 * np.median(std), std, 1.0)  # a channel that hardly varies tells nothing
    points = (points - mean) / std
    with threadpool_limits(1):  # threads add up centres in the order they finish: not the same bits every time
        centres, _ = kmeans(points, min(CLUSTERS, len(points)), iter=STARTS, rng=0)
    found = Familiarity(mean, std, centres, np.empty(0))
    return found._replace(validation=np.sort(found.distance(validation)))


def save_familiarity(folder: Path, familiarity: Familiarity) -> None:
    """Write it into a folder of models."""
    save_tensors(folder / FILE, {name: torch.from_numpy(value) for name, value in familiarity._asdict().items()})


def load_familiarity(folder: Path) -> Familiarity:
    """Read what `save_familiarity` wrote.

    Raises:
        DatmosError: the file is missing, or is not what `save_familiarity` writes.
    """
    path = folder / FILE
    shapes = {name: kind.shape for name, kind in read_kinds(path).items()}
    channels = shapes.get("mean", ())
    sizes = {"mean": channels, "std": channels, "centres": (*shapes.get("centres", ())[:1], *channels)}
    expected = sizes | {"validation": shapes.get("validation", ())[:1]}
    tensors = read_tensors(path, {name: TensorKind(torch.float64, shape) for name, shape in expected.items()})
    found = Familiarity(**{name: tensor.numpy() for name, tensor in tensors.items()})
    if found.mean.ndim != 1 or found.centres.ndim != 2 or not min(found.centres.size, found.validation.size):
        raise DatmosError(f"{path}: clusters of train clips and distances of validation clips are expected")
    if found.std.min() <= 0 or np.diff(found.validation).min(initial=0) < 0 or found.validation[0] < 0:
        raise DatmosError(f"{path}: std above 0, and distances of 0 or more in ascending order, are expected")
    return found
