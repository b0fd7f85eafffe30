"""The rules that make domains, and the sections of params.yaml that they read."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field

from datmos.core.settings import Int, Layer, Section, Seed


class SourceParams(Section):
    """Domains by a column of the manifest."""

    column: Literal["source", "category"]


class KmeansParams(Section):
    """Domains by clusters of pooled embeddings."""

    k: Annotated[Int, Field(ge=2)]
    seed: Seed
    layer: Layer | None
    average_over: Literal["frames", "channels"]


class RandomParams(Section):
    """Domains by chance."""

    k: Annotated[Int, Field(ge=2)] | None
    seed: Seed
    balanced: bool


class DomainParams(NamedTuple):
    """All that rules read."""

    source: SourceParams
    kmeans: KmeansParams
    random: RandomParams

    def with_k(self, rule: str, k: int) -> Self:
        """Return settings in which ``rule``, if its domains are numbered, makes ``k`` of them."""
        section = RULES[rule].numbered_by
        return (
            self
            if section is None
            else self._replace(**{section: getattr(self, section).model_copy(update={"k": k})})
        )


class Rule(NamedTuple):
    """A way to label clips.

    Attributes:
        labels: name -> where in datmos the function is that makes this label. A clip gets each of them, and each
            is read by an adversary of its own. A name means the same label in all rules.
        numbered_by: the section whose ``k`` says how many domains there are; None: the data say it.
    """

    labels: dict[str, str]
    numbered_by: str | None = None


BY_SOURCE = {"source": "datmos.domains.rules.by_source"}
BY_KMEANS = {"kmeans": "datmos.domains.kmeans.by_kmeans"}
BY_CHANCE = {"random": "datmos.domains.rules.by_chance"}
RULES = {  # the stage domains writes a file for each: data/domains/<name>.parquet
    "source": Rule(BY_SOURCE),
    "kmeans": Rule(BY_KMEANS, numbered_by="kmeans"),
    "random": Rule(BY_CHANCE, numbered_by="random"),
    "source_kmeans": Rule(BY_SOURCE | BY_KMEANS, numbered_by="kmeans"),  # DAT-Multi: an adversary for each
}
