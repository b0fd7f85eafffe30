"""Names of aspects: none meets another name in a table or a row."""

import re

import pytest

from datmos.core.aspects import MANIFEST_COLUMNS, RESERVED, ROW_COLUMNS, check_aspect_names


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"aspects: {name} is the name of another column; .* taken: .*distance"):
        check_aspect_names(["PQ", name])


@pytest.mark.parametrize(
    ("aspects", "words"),
    [
        (["PQ", "PQ"], "every name once"),
        (["a", "a_std"], "a_std must not end in"),
        (["a", "b_ratings"], "b_ratings must not end in"),
        (["a", "b", "cov_a_b"], "cov_a_b is the name of the column for the covariance of a and b"),
        (["a", "b_c", "a_b", "c"], "a_b and c, and a and b_c, give one column cov_a_b_c"),
    ],
)
def test_names_that_meet_each_other(aspects: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_aspect_names(aspects)


def test_other_names_are_fine() -> None:
    check_aspect_names(["PQ", "PC", "CE", "CU", "std", "Error", "model_fit", "cov_x"])
    assert {"path", "seconds", "error", "seed"} <= {*ROW_COLUMNS, *MANIFEST_COLUMNS}
