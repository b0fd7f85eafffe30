"""The sections ``train`` and ``strategies`` of params.yaml, and the registries of losses and invariances."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from datmos.core.registry import one_of
from datmos.core.settings import AdversaryParams, Count, Float, Name, NotNegative, Positive, Section
from datmos.heads.registry import HEADS

TASK_LOSSES = {  # a new one is a function (see `datmos.training.losses`) and a line here
    "gaussian_nll": "datmos.training.losses.gaussian_nll",
    "gaussian_nll_floored": "datmos.training.losses.gaussian_nll_floored",
    "squared_error": "datmos.training.losses.squared_error",
    "qamro": "datmos.training.losses.qamro",
}
INVARIANCES = {  # a new one is a class (see `datmos.training.invariance`) and a line here
    "none": "datmos.training.invariance.Mean",
    "coral": "datmos.training.invariance.Coral",
    "group_dro": "datmos.training.invariance.GroupDro",
    "v_rex": "datmos.training.invariance.VRex",
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
    checkpoint: Literal["validation_loss", "validation_srcc"]


class StrategyParams(AdversaryParams):
    """One way to train: what an entry does not name is as in the paper's baseline."""

    dropout: Annotated[Float, Field(ge=0, lt=1)]
    l2: NotNegative
    head: Annotated[str, one_of(HEADS)] = "multigauss"
    groups: tuple[tuple[Name, ...], ...] = ()
    loss: Annotated[str, one_of(TASK_LOSSES)] = "gaussian_nll"
    triplet: NotNegative = 0.0
    warm_up: bool = False
    score_bins: Count = 1
    label_smoothing: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    invariance: Annotated[str, one_of(INVARIANCES)] = "none"
    invariance_weight: NotNegative = 0.0
    mixup: NotNegative = 0.0
    average: Annotated[Float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.head == "aspect_groups") != bool(self.groups):
            raise ValueError(
                f"groups: lists of aspects are for head aspect_groups, which needs them; got {self.groups} with "
                f"head {self.head}"
            )
        if (self.invariance == "none") != (self.invariance_weight == 0):
            raise ValueError(
                f"invariance_weight: above 0 with an invariance and 0 without, got {self.invariance_weight:g} with "
                f"{self.invariance}"
            )
        return self
