"""What a domain is: rules that give every train clip the label an adversary must not be able to read from h.

Paper (arXiv 2603.16201): DAT-Source, DAT-Kmeans and the control DAT-Random. A new rule is one function and one
line of `datmos.domains.settings.RULES` (and its file in dvc.yaml).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from datmos.core.errors import DatmosError
from datmos.core.registry import find
from datmos.core.seeding import derive_seed
from datmos.core.store import EmbeddingStore, batched
from datmos.domains.settings import RULES, DomainParams


def by_source(clips: pd.DataFrame, points: np.ndarray, params: DomainParams) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Source: one domain for each value of a manifest column, in alphabetical order."""
    labels, names = pd.factorize(clips[params.source.column], sort=True)
    return labels, {"names": list(names)}


def by_chance(clips: pd.DataFrame, points: np.ndarray, params: DomainParams) -> tuple[np.ndarray, dict[str, Any]]:
    """DAT-Random: a balanced permutation, so that sizes differ by one clip at most; or independent draws.

    Without ``random.k`` there are as many domains as K-means has clusters.
    """
    k = params.random.k or clusters(points, params.kmeans.k)
    if k > len(clips):
        raise DatmosError(f"random.k: {k} domains asked for, but there are only {len(clips)} train clips")
    generator = np.random.default_rng(derive_seed("random", params.random.seed))
    if not params.random.balanced:
        return generator.integers(k, size=len(clips)), {}
    return generator.permutation(np.arange(len(clips)) % k), {}


def clusters(points: np.ndarray, k: int) -> int:
    """Return how many clusters there are of ``points`` (N, W) where k are asked for: copies make no further one."""
    return min(k, len(np.unique(points, axis=0)))


def label_domains(
    rule: str, clips: pd.DataFrame, store: EmbeddingStore, params: DomainParams
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Apply a rule to the train clips.

    Args:
        rule: a name of `RULES`.
        clips: the train rows of the manifest, N of them; no other clip may influence a domain.
        store: their embeddings.
        params: what rules read.

    Returns:
        A table of clip_id and labels 0, 1, ...: one column "domain", or one for each of several labels, named like
        it; and a summary for data/details/domains.json.

    Raises:
        DatmosError: more domains asked for than there are train clips.
    """
    return label_points([rule], clips, clip_points(clips, store, params), params)[rule]


def label_points(
    rules: Iterable[str], clips: pd.DataFrame, points: np.ndarray, params: DomainParams
) -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
    """`label_domains` by several rules, for the points (N, W) that K-means clusters.

    A label that several rules have is made once. By chance gets as many domains as there are clusters.
    """
    wanted = {rule: RULES[rule].labels for rule in rules}
    made_by = {name: place for labels in wanted.values() for name, place in labels.items()}
    labelled = {name: find(made_by, name)(clips, points, params) for name in made_by}
    summaries = {name: _summarise(labels, clips) | details for name, (labels, details) in labelled.items()}
    found = {}
    for rule, names in wanted.items():
        alone = len(names) == 1
        columns = {"domain" if alone else name: labelled[name][0].astype(np.int32) for name in names}
        table = pd.DataFrame({"clip_id": clips["clip_id"].to_numpy(), **columns})
        own = {name: summaries[name] for name in names}
        found[rule] = table, next(iter(own.values())) if alone else own
    return found


def clip_points(clips: pd.DataFrame, store: EmbeddingStore, params: DomainParams) -> np.ndarray:
    """Return what K-means clusters: time means of the channels (N, D), or channel means of the frames (N, T).

    The second is what the authors' code does (`mean(axis=0)` of a (D, T) array), of the layer that heads read.
    """
    rows = store.rows(clips["clip_id"])
    if params.kmeans.average_over == "frames":
        return store.pooled[rows]
    return np.concatenate([store.read(batch).mean(axis=1, dtype=np.float32) for batch in batched(rows, 64)])


def _summarise(labels: np.ndarray, clips: pd.DataFrame) -> dict[str, Any]:
    from sklearn.metrics import normalized_mutual_info_score  # here: stages that train have this file, and no need

    sizes = np.bincount(labels)
    return {
        "domains": len(sizes),
        "sizes": sizes,
        "nmi_source": normalized_mutual_info_score(clips["source"], labels),
        "nmi_category": normalized_mutual_info_score(clips["category"], labels),
    }
