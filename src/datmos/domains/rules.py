"""What a domain is: rules that give every train clip the label an adversary must not be able to read from h.

Paper (arXiv 2603.16201): DAT-Source, DAT-Kmeans and the control DAT-Random. A new rule is one function and one
line of `DOMAIN_RULES` (and its key in params.yaml and dvc.yaml). Several rules at once, for DAT-Multi, are one line
of `datmos.params.schema.BRANCHES`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from threadpoolctl import threadpool_limits

from datmos.core.errors import DatmosError
from datmos.core.seeding import derive_seed
from datmos.core.store import EmbeddingStore, batched
from datmos.params.schema import BRANCHES, Params

SILHOUETTE_SAMPLE = 5000  # its cost grows with the square of the clips


def by_source(clips: pd.DataFrame, pooled: np.ndarray, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Source: one domain for each value of a manifest column, in alphabetical order."""
    labels, names = pd.factorize(clips[params.source.column], sort=True)
    return labels, {"names": list(names)}


def by_kmeans(clips: pd.DataFrame, pooled: np.ndarray, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Kmeans: Euclidean K-means of what `clip_points` returns."""
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
    """DAT-Random: a balanced permutation, so that sizes differ by one clip at most; or independent draws."""
    k = params.random.k or params.kmeans.k
    if k > len(clips):
        raise DatmosError(f"random.k: {k} domains asked for, but there are only {len(clips)} train clips")
    generator = np.random.default_rng(derive_seed("random", params.random.seed))
    if not params.random.balanced:
        return generator.integers(k, size=len(clips)), {}
    return generator.permutation(np.arange(len(clips)) % k), {}


_Rule = Callable[[pd.DataFrame, np.ndarray, Params], tuple[np.ndarray, dict[str, Any]]]
DOMAIN_RULES: dict[str, _Rule] = {"source": by_source, "kmeans": by_kmeans, "random": by_chance}


def label_domains(
    rule: str, clips: pd.DataFrame, store: EmbeddingStore, params: Params
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Apply a rule to the train clips.

    Args:
        rule: a name of `DOMAIN_RULES`, or of `BRANCHES` for several of them.
        clips: the train rows of the manifest, N of them; no other clip may influence a domain.
        store: their embeddings.
        params: all params; a rule reads its own entry.

    Returns:
        A table of clip_id and labels 0, 1, ...: one column "domain", or one for each of several rules, named like
        it; and a summary for metrics/domains/<rule>.json.

    Raises:
        DatmosError: more domains asked for than there are train clips.
    """
    return label_points(rule, clips, clip_points(clips, store, params), params)


def label_points(
    rule: str, clips: pd.DataFrame, points: np.ndarray, params: Params
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`label_domains` for the points (N, W) that K-means clusters; other rules do not read them."""
    rules = BRANCHES.get(rule, (rule,))
    labelled = {one: DOMAIN_RULES[one](clips, points, params) for one in rules}
    summaries = {one: _summarise(labels, clips) | details for one, (labels, details) in labelled.items()}
    columns = {
        "domain" if len(rules) == 1 else one: labels.astype(np.int32) for one, (labels, _) in labelled.items()
    }
    table = pd.DataFrame({"clip_id": clips["clip_id"].to_numpy(), **columns})
    return table, summaries if len(rules) > 1 else summaries[rule]


def clip_points(clips: pd.DataFrame, store: EmbeddingStore, params: Params) -> np.ndarray:
    """Return what K-means clusters: time means of the channels (N, D), or channel means of the frames (N, T).

    The second is what the authors' code does (`mean(axis=0)` of a (D, T) array), of the layer that heads read.
    """
    rows = store.rows(clips["clip_id"])
    if params.kmeans.average_over == "frames":
        return store.pooled[rows]
    return np.concatenate([store.read(batch).mean(axis=1, dtype=np.float32) for batch in batched(rows, 64)])


def _summarise(labels: np.ndarray, clips: pd.DataFrame) -> dict[str, Any]:
    sizes = np.bincount(labels)
    return {
        "domains": len(sizes),
        "sizes": sizes,
        "nmi_source": normalized_mutual_info_score(clips["source"], labels),
        "nmi_category": normalized_mutual_info_score(clips["category"], labels),
    }
