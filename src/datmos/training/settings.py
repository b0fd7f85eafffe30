"""The sections ``train`` and ``strategies`` of params.yaml, and the registry of losses."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from datmos.core.registry import one_of
from datmos.core.settings import AdversaryParams, Count, Float, Name, NotNegative, Positive, Section
from datmos.heads.registry import ERASABLE, HEADS

TASK_LOSSES = {  # a new one is a function (see `datmos.training.losses`) and a line here
    "faithful": "datmos.training.losses.faithful",
    "gaussian_nll": "datmos.training.losses.gaussian_nll",
    "gaussian_nll_floored": "datmos.training.losses.gaussian_nll_floored",
    "squared_error": "datmos.training.losses.squared_error",
    "qamro": "datmos.training.losses.qamro",
}


class TrainParams(Section):
    """The training loop, the same for every strategy."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    standardise: bool
    optimiser: Literal["adam", "adamw"]
    gradient_clip: Positive | None
    reversal: Literal["one", "lambda"]
    checkpoint: Literal["last_half", "validation_loss", "validation_srcc"]


class StrategyParams(AdversaryParams):
    """One way to train.

    ``spare`` lists aspects that the adversaries leave alone; those that the data lack are not looked at. ``train``
    has the settings of the section ``train`` that are other for this strategy.
    """

    dropout: Annotated[Float, Field(ge=0, lt=1)]
    l2: NotNegative
    head: Annotated[str, one_of(HEADS)] = "statistics"
    widths: tuple[Count, ...] = ()
    spare: tuple[Name, ...] = ()
    erase: str = "none"
    erase_rank: Count | None = None
    train: dict[str, Any] = Field(default_factory=dict)
    loss: Annotated[str, one_of(TASK_LOSSES)] = "faithful"
    triplet: NotNegative = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.erase != "none" and self.head not in ERASABLE:
            raise ValueError(f"erase: it works with heads {', '.join(ERASABLE)}; the head is {self.head}")
        if self.erase == "none" and self.erase_rank is not None:
            raise ValueError("erase_rank: it is for a strategy with erase")
        for name in ("widths", "spare"):
            if getattr(self, name) and self.head != "statistics":
                raise ValueError(f"{name}: they are for head statistics; the head is {self.head}")
        return self

    def train_with(self, train: TrainParams) -> TrainParams:
        """Return the settings of its training.

        Raises:
            ValidationError: one of ``train`` of this entry is not known, or has no such value.
        """
        return TrainParams.model_validate(train.model_dump() | self.train)

    def groups_of(self, aspects: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return the aspects that the adversaries act on, and those that they leave alone, if there are any."""
        spared = tuple(aspect for aspect in aspects if aspect in self.spare)
        freed = tuple(aspect for aspect in aspects if aspect not in self.spare)
        return (freed, spared) if spared else (freed,)
