"""Who is compared with whom, by the params."""

from typing import NamedTuple

from datmos.params.schema import Params

REGRESSIONS = ("ridge", "svr")  # references that anybody would try first, so that all are compared with them


class Rivals(NamedTuple):
    """Names of predictors.

    Attributes:
        trained: strategies of both backbones.
        untrained: predictors beside them: published ones and references.
        all: all that is compared, each once, in the order of the tables.
        regressions: the plain regressions among them.
        against: those that others are tested against: baselines, controls with random domains, regressions.
        of: who is tested against one of ``against``: a second backbone's baseline meets its own strategies. The
            others, which are not in it, meet everything.
    """

    trained: list[str]
    untrained: list[str]
    regressions: list[str]
    all: list[str]
    against: list[str]
    of: dict[str, list[str]]


def find_rivals(params: Params) -> Rivals:
    """Read them off the params."""
    tuned = list(params.finetune.strategies)
    untrained = [*params.finetune.published, *params.evaluate.references]
    controls = [name for name, one in params.strategies.items() if one.domains == "random" and one.adversarial]
    regressions = [name for name in params.evaluate.references if name in REGRESSIONS]
    against = [params.evaluate.baseline, *controls, *regressions, *params.finetune.baselines]
    return Rivals(
        trained=[*params.strategies, *tuned],
        untrained=untrained,
        regressions=regressions,
        all=[*params.strategies, *tuned, *untrained],
        against=list(dict.fromkeys(against)),
        of=dict.fromkeys(params.finetune.baselines, tuned),
    )
