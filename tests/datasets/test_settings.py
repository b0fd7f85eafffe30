"""Every kind of dataset and evaluation set: there, and read to the same columns."""

from pathlib import Path

import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.core.registry import find
from datmos.datasets.audiomos2025 import read_audiomos2025
from datmos.datasets.settings import DATASETS, EVALUATION_SETS

ROWS = """path,split,category,source,system,PQ
0.wav,train,speech,A,,3
1.wav,eval,music,gen,sys1,4
"""


@pytest.mark.parametrize("registry", [DATASETS, EVALUATION_SETS])
def test_every_kind_is_there(registry: dict[str, str]) -> None:
    for name in registry:
        assert callable(find(registry, name))


def test_of_a_ratings_file_an_evaluation_set_takes_the_eval_rows(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(ROWS)
    assert list(find(EVALUATION_SETS, "ratings")(tmp_path, ["PQ"])["path"]) == ["1.wav"]
    with pytest.raises(DatmosError, match="no row with split 'valid'"):
        find(DATASETS, "ratings")(tmp_path, ["PQ"])
    (tmp_path / "ratings.csv").write_text(ROWS.replace("eval", "train"))
    with pytest.raises(DatmosError, match="no row with split 'eval'; needed are clips of eval"):
        find(EVALUATION_SETS, "ratings")(tmp_path, ["PQ"])


def test_the_evaluation_clips_alone_are_those_of_the_whole(lists: Path) -> None:
    whole = read_audiomos2025(lists, ["PQ", "CU"])
    alone = find(EVALUATION_SETS, "audiomos2025")(lists, ["PQ", "CU"])
    expected = whole[whole["split"] == "eval"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)
