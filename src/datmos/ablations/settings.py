"""The section ``granularity`` of params.yaml."""

from typing import Annotated

from pydantic import Field

from datmos.core.settings import Int, Section


class GranularityParams(Section):
    """The ablation of the number of domains."""

    strategies: list[str]
    k: list[Annotated[Int, Field(ge=2)]]
    seeds: Annotated[Int, Field(ge=1)]
