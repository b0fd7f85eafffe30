"""What a domain is: rules that give every train clip the label an adversary must not be able to read from h.

Paper (arXiv 2603.16201): DAT-Source, DAT-Kmeans and the control DAT-Random. A new rule is one function and one
line of `DOMAIN_RULES` (and its key in params.yaml and dvc.yaml).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from threadpoolctl import threadpool_limits

from datmos.errors import DatmosError
from datmos.params import Params
from datmos.seeding import derive_seed

SILHOUETTE_SAMPLE = 5000  # its cost grows with the square of the clips


def by_source(clips: pd.DataFrame, pooled: np.ndarray, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Source: one domain for each value of a manifest column, in alphabetical order."""
    labels, names = pd.factorize(clips[params.source.column], sort=True)
    return labels, {"names": list(names)}


def by_kmeans(clips: pd.DataFrame, pooled: np.ndarray, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Kmeans: Euclidean K-means of the time-mean embeddings (N, D)."""
    k, seed = params.kmeans.k, derive_seed("kmeans", params.kmeans.seed) % 2**32
    if k > len(clips):
        raise DatmosError(f"kmeans.k: {k} clusters asked for, but there are only {len(clips)} train clips")
    points = pooled.astype(np.float64)
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


def by_chance(clips: pd.DataFrame, pooled: np.ndarray, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Random: a balanced permutation, so that sizes differ by one clip at most."""
    k = params.random.k or params.kmeans.k
    if k > len(clips):
        raise DatmosError(f"random.k: {k} domains asked for, but there are only {len(clips)} train clips")
    generator = np.random.default_rng(derive_seed("random", params.random.seed))
    return generator.permutation(np.arange(len(clips)) % k), {}


_Rule = Callable[[pd.DataFrame, np.ndarray, Params], tuple[np.ndarray, dict[str, Any]]]
DOMAIN_RULES: dict[str, _Rule] = {"source": by_source, "kmeans": by_kmeans, "random": by_chance}


def label_domains(
    rule: str, clips: pd.DataFrame, pooled: np.ndarray, params: Params
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Apply a rule to the train clips.

    Args:
        rule: a name of `DOMAIN_RULES`.
        clips: the train rows of the manifest, N of them; no other clip may influence a domain.
        pooled: their time-mean embeddings, shape (N, D).
        params: all params; a rule reads its own entry.

    Returns:
        A table (clip_id, domain) with labels 0, 1, ... and a summary for metrics/domains/<rule>.json.

    Raises:
        DatmosError: more domains asked for than there are train clips.
    """
    labels, details = DOMAIN_RULES[rule](clips, pooled, params)
    sizes = np.bincount(labels)
    summary = {
        "domains": len(sizes),
        "sizes": sizes,
        **details,
        "nmi_source": normalized_mutual_info_score(clips["source"], labels),
        "nmi_category": normalized_mutual_info_score(clips["category"], labels),
    }
    return pd.DataFrame({"clip_id": clips["clip_id"].to_numpy(), "domain": labels.astype(np.int32)}), summary
