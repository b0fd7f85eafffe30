"""The section ``finetune`` of params.yaml."""

from typing import Self

from pydantic import model_validator

from datmos.core.settings import (
    AdversaryParams,
    Count,
    Launcher,
    Name,
    Positive,
    Section,
    check_known,
    check_unique,
)


class PublishedParams(Section):
    """A published predictor that is scored as it is."""

    model: str
    revision: str | None = None


class FinetuneParams(Section):
    """The second backbone, whose encoder is trained too."""

    strategies: dict[Name, AdversaryParams]
    baselines: list[str]
    published: dict[Name, PublishedParams]
    encoder: str
    revision: str | None
    mlp_layers: Count
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    gradient_checkpointing: bool
    at_once: Count | None
    launcher: Launcher

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_known("baselines", self.baselines, self.strategies, "finetune.strategies")
        check_unique("baselines", self.baselines)
        return self
