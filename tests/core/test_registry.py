"""Registries: every name of every registry leads somewhere, and a wrong one is refused with the nearest."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from datmos.core.registry import find, one_of
from datmos.datasets.settings import DATASETS, EVALUATION_SETS
from datmos.domains.settings import RULES
from datmos.embedding.settings import ENCODERS
from datmos.evaluation.settings import REFERENCES
from datmos.heads.registry import HEADS
from datmos.training.objective import TERMS
from datmos.training.settings import TASK_LOSSES

LABELS = {name: path for rule in RULES.values() for name, path in rule.labels.items()}
ALL = [DATASETS, EVALUATION_SETS, ENCODERS, REFERENCES, HEADS, TERMS, TASK_LOSSES, LABELS]


@pytest.mark.parametrize(("registry", "name"), [(registry, name) for registry in ALL for name in registry])
def test_every_name_leads_to_something_that_can_be_called(registry: dict[str, str], name: str) -> None:
    assert callable(find(registry, name))


def test_a_name_that_is_not_there_is_refused() -> None:
    adapter = TypeAdapter(Annotated[str, one_of(HEADS)])
    assert adapter.validate_python("drasp") == "drasp"
    with pytest.raises(
        ValidationError, match=r"did you mean 'drasp'\? Expected one of: statistics, multigauss, drasp"
    ):
        adapter.validate_python("draps")
