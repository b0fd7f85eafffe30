"""What the sections of params.yaml are made of. Each section is defined by the package that reads it.

Numbers are coerced: DVC writes ``-S train.learning_rate=1e-5`` as the *string* ``1e-05``. Unknown keys are refused.
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from datmos.core.errors import nearest


class Section(BaseModel):
    """A section of params.yaml: no key but its own, and none of them changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=False, validate_by_alias=True)


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")
    return value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _one_or_list(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(values) == 1 else list(values)


Int = Annotated[int, BeforeValidator(_not_bool)]
Float = Annotated[float, BeforeValidator(_not_bool), Field(allow_inf_nan=False)]
Count = Annotated[Int, Field(ge=1)]
Seed = Annotated[Int, Field(ge=0)]
Layer = Annotated[Int, Field(ge=0)]  # which there are, the encoder knows
Positive = Annotated[Float, Field(gt=0)]
NotNegative = Annotated[Float, Field(ge=0)]
# a shell runs it, and somebody else may have written it: a command and its options, and no second command
Launcher = Annotated[str, Field(pattern=r"^[\w./=:,+ -]+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Lambda = Annotated[  # a number, or one for each adversary
    tuple[NotNegative, ...],
    BeforeValidator(_as_list),
    PlainSerializer(_one_or_list),
    Field(alias="lambda", min_length=1),
]


class AdversaryParams(Section):
    """What the adversaries of a strategy read, and how much they weigh; of fine-tuning it is the whole strategy."""

    domains: str  # a rule of `datmos.domains.settings.RULES`
    lambda_: Lambda

    @property
    def adversarial(self) -> bool:
        """Whether any gradient flows back from a domain classifier."""
        return any(value > 0 for value in self.lambda_)


def check_known(key: str, names: Sequence[str], known: Collection[str], of: str) -> None:
    """Raise `ValueError` if a name that ``key`` lists is not ``known``, which are ``of`` something."""
    for name in names:
        if name not in known:
            raise ValueError(
                f"{key}: unknown strategy '{name}'{nearest(name, known)} Expected one of {of}: "
                f"{', '.join(known) or 'there are none'}"
            )


def check_unique(key: str, values: Sequence[Any]) -> None:
    """Raise `ValueError` if ``key`` lists a value twice."""
    if len(set(values)) < len(values):
        raise ValueError(f"{key}: no value twice, got {list(values)}")
