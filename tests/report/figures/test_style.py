import pytest

from datmos.report.figures import style


@pytest.mark.parametrize("marks", [style.HATCHES, style.MARKERS])
def test_no_two_names_look_alike(marks):
    count = len(marks) * len(style.COLOURS)
    looks = {(marks[n % len(marks)], style.COLOURS[n % len(style.COLOURS)]) for n in range(count)}
    assert len(looks) == count
