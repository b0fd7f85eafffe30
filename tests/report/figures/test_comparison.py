import itertools
import math

import numpy as np
import pandas as pd
import pytest

from datmos.report.figures.comparison import draw_comparison
from helpers.pictures import ink


def rows(strategies=("plain", "dat"), aspects=("PQ", "CE"), std=0.1):
    cells = itertools.product(strategies, aspects, ("system", "utterance"), ("mse", "srcc", "lcc"))
    table = pd.DataFrame(cells, columns=["strategy", "aspect", "level", "metric"])
    return table.assign(mean=np.linspace(-0.5, 0.9, len(table)), std=std, ensemble=0.5)


@pytest.mark.parametrize(
    "table",
    [
        rows(),
        rows(aspects=("PQ",)),
        rows(strategies=[f"strategy_{number}" for number in range(9)]),
        rows(std=math.nan),  # one seed
        rows().assign(mean=lambda table: table["mean"].where(table["strategy"] == "plain", math.nan)),
    ],
    ids=["two aspects", "one aspect", "more strategies than colours", "one seed", "a strategy without numbers"],
)
@pytest.mark.takes(2)
def test_comparison_is_drawn_alike_every_time(table, tmp_path, recwarn):
    draw_comparison(table, tmp_path / "first.png")
    draw_comparison(table, tmp_path / "second.png")
    content = (tmp_path / "first.png").read_bytes()
    assert content == (tmp_path / "second.png").read_bytes()
    assert b"tEXt" not in content  # neither software nor time
    assert ink(tmp_path / "first.png") > 0.05
    # a resource warning is of another test, whose rubbish was collected in this one
    assert not [str(one.message) for one in recwarn if one.category is not ResourceWarning]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "second.png"]


def test_comparison_shows_system_mse_and_srcc_only(tmp_path):
    table = rows()
    other = table["level"].eq("utterance") | table["metric"].eq("lcc")
    draw_comparison(table, tmp_path / "all.png")
    draw_comparison(table[~other], tmp_path / "shown.png")
    assert (tmp_path / "all.png").read_bytes() == (tmp_path / "shown.png").read_bytes()
    draw_comparison(table.assign(mean=table["mean"].where(other, 0.3)), tmp_path / "changed.png")
    assert (tmp_path / "all.png").read_bytes() != (tmp_path / "changed.png").read_bytes()
