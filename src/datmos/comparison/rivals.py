"""Who is compared with whom, by the params."""

from typing import NamedTuple

from datmos.params.schema import Params


class Rivals(NamedTuple):
    """Names of predictors.

    Attributes:
        trained: strategies of both backbones.
        untrained: predictors beside them: published ones and references.
        all: all that is compared, each once, in the order of the tables.
        against: those that others are tested against: baselines, and the controls with random domains.
        of: who is tested against one of ``against``: a second backbone's baseline meets its own strategies. The
            others, which are not in it, meet everything.
    """

    trained: list[str]
    untrained: list[str]
    all: list[str]
    against: list[str]
    of: dict[str, list[str]]


def find_rivals(params: Params) -> Rivals:
    """Read them off the params."""
    tuned = list(params.finetune.strategies)
    untrained = [*params.finetune.published, *params.evaluate.references]
    controls = [name for name, one in params.strategies.items() if one.domains == "random" and one.adversarial]
    return Rivals(
        trained=[*params.strategies, *tuned],
        untrained=untrained,
        all=[*params.strategies, *tuned, *untrained],
        against=list(dict.fromkeys([params.evaluate.baseline, *controls, *params.finetune.baselines])),
        of=dict.fromkeys(params.finetune.baselines, tuned),
    )
