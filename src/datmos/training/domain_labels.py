"""The domains of the train clips, as a training reads them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from datmos.core.errors import DatmosError
from datmos.core.settings import AdversaryParams


class DomainLabels(NamedTuple):
    """Labels of N clips, one for each adversary."""

    labels: Tensor  # int64, (N, branches); of M members (M, N, branches)
    branches: tuple[str, ...]  # name of each adversary; ("",) for one alone


def match_domains(manifest: pd.DataFrame, domains: pd.DataFrame, strategy: AdversaryParams) -> DomainLabels:
    """Return the domains of every train clip, in the manifest's order.

    Args:
        manifest: all clips.
        domains: table of the train clips: clip_id, and a column of labels for each adversary.
        strategy: the entry of params.yaml.

    Raises:
        DatmosError: a clip without a domain; or, for an adversary with lambda above 0, fewer than two domains, or a
            source with one clip: that is a slip in the ratings file. A cluster may be an outlier alone.
    """
    clip_ids = manifest.loc[manifest["split"] == "train", "clip_id"]
    labels = domains.set_index("clip_id").reindex(clip_ids)
    if labels.isna().any(axis=None):
        raise DatmosError(
            f"{labels.isna().any(axis=1).sum()} train clips have no domain in the file of domains "
            f"'{strategy.domains}'; run `dvc repro`"
        )
    for column, lambda_ in zip(labels.columns, strategy.lambda_, strict=True):
        rule = strategy.domains if column == "domain" else column
        sizes = labels[column].astype(int).value_counts().sort_index()
        if lambda_ > 0 and len(sizes) < 2:
            raise DatmosError(
                f"domains '{rule}': all {len(labels)} train clips are one domain, so there is nothing for "
                "an adversary to tell apart. Use other domains, or lambda 0."
            )
        if lambda_ > 0 and rule == "source" and sizes.min() < 2:
            raise DatmosError(
                f"domains 'source': domain {sizes.idxmin()} has one train clip; every source needs two or more "
                f"(sizes: {sizes.to_dict()}). Look for a slip in its name, or add clips."
            )
    names = tuple(labels.columns) if labels.shape[1] > 1 else ("",)
    return DomainLabels(torch.from_numpy(labels.to_numpy(dtype=np.int64, copy=True)), names)


def of_members(each: Sequence[DomainLabels]) -> DomainLabels:
    """Put the labels of M members together."""
    return DomainLabels(torch.stack([own.labels for own in each]), each[0].branches)
