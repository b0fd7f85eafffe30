import os
import subprocess
import sys

import pytest

from datmos.report.figures.style import COLOURS, LINES, MARKERS, legend_name, make_looks


def test_no_two_strategies_look_alike() -> None:
    count = len(COLOURS) * len(MARKERS)
    names = [f"strategy_{number}" for number in range(count)]
    looks = make_looks("plain", ["plain", *names], ["ridge", "svr"])
    assert len({(look.colour, look.marker) for look in looks.values()}) == count + 3
    assert looks["plain"].colour == "black"
    assert len({look.line for look in looks.values()}) == len(LINES)


def test_a_look_does_not_depend_on_who_is_baseline_among_others() -> None:
    looks = make_looks("plain", ["plain", "dat"], ["ridge"])
    assert looks == make_looks("plain", ["dat", "plain"], ["ridge"])
    assert looks["ridge"].colour not in (looks["dat"].colour, looks["plain"].colour)


@pytest.mark.parametrize("module", ["datmos.report.figures.forest", "datmos.sharing.demo.figures"])
def test_a_backend_of_a_notebook_is_in_nobodys_way(module: str) -> None:
    code = f"import {module}, matplotlib; print(matplotlib.get_backend())"
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip().lower() == "agg"


def test_a_name_that_begins_with_an_underscore_is_in_the_legend() -> None:
    assert legend_name("plain_one") == "plain_one"
    assert legend_name("_own")[1:] == "_own"
    assert not legend_name("_own").startswith("_")
