"""The sections ``evaluate`` and ``umap`` of params.yaml, and the registry of plain references."""

from typing import Annotated, Literal

from pydantic import Field

from datmos.core.registry import one_of
from datmos.core.settings import Int, Section, Seed

# a new one is a function that makes a scikit-learn regressor, and a line here; ..._erased reads no sources
REFERENCES = {
    "mean": "datmos.evaluation.references.mean",
    "ridge": "datmos.evaluation.references.ridge",
    "svr": "datmos.evaluation.references.svr",
    "ridge_erased": "datmos.evaluation.references.ridge",
    "svr_erased": "datmos.evaluation.references.svr",
}


class EvaluateParams(Section):
    """The comparison of all strategies."""

    baseline: str
    references: list[Annotated[str, one_of(REFERENCES)]]


class UmapParams(Section):
    """Pictures of h."""

    strategies: Annotated[list[str], Field(min_length=1)]
    aspect: str | None
    split: Literal["train", "valid"]
    neighbors: Annotated[Int, Field(ge=2)]
    seed: Seed
