"""DAT-Kmeans: domains are clusters of embeddings."""

import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from datmos.core.errors import DatmosError
from datmos.core.seeding import derive_seed
from datmos.domains.rules import clusters
from datmos.domains.settings import DomainParams

SILHOUETTE_SAMPLE = 5000  # its cost grows with the square of the clips


def by_kmeans(clips: pd.DataFrame, points: np.ndarray, params: DomainParams) -> tuple[np.ndarray, dict[str, Any]]:
    """Euclidean K-means of ``points`` (N, W); see `datmos.domains.rules.clip_points`."""
    k, seed = clusters(points, params.kmeans.k), derive_seed("kmeans", params.kmeans.seed) % 2**32
    if params.kmeans.k > len(clips):
        raise DatmosError(
            f"kmeans.k: {params.kmeans.k} clusters asked for, but there are only {len(clips)} train clips"
        )
    if k < params.kmeans.k:
        print(
            f"kmeans.k: {params.kmeans.k} clusters asked for, but only {k} of the {len(clips)} train clips differ "
            f"in what is clustered: there are {k} clusters.",
            file=sys.stderr,
        )
    points = points.astype(np.float64)
    with threadpool_limits(1):  # threads add up centres in the order they finish: not the same bits every time
        fitted = KMeans(k, n_init=10, random_state=seed).fit(points)
        found = len(np.unique(fitted.labels_))
        silhouette = (
            silhouette_score(
                points, fitted.labels_, sample_size=min(len(points), SILHOUETTE_SAMPLE), random_state=seed
            )
            if 1 < found < len(points)
            else float("nan")
        )
    return fitted.labels_, {"inertia": fitted.inertia_, "silhouette": silhouette}
