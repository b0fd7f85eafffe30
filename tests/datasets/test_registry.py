"""Every kind of dataset and evaluation set: known to the schema, and read to the same columns."""

from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.datasets.audiomos2025 import read_audiomos2025
from datmos.datasets.registry import DATASETS, EVALUATION_SETS
from datmos.params.schema import DataParams, EvaluationSetParams

ROWS = """path,split,category,source,system,PQ
0.wav,train,speech,A,,3
1.wav,eval,music,gen,sys1,4
"""


def test_the_schema_knows_every_kind() -> None:
    assert set(get_args(DataParams.model_fields["kind"].annotation)) == set(DATASETS)
    assert set(get_args(EvaluationSetParams.model_fields["kind"].annotation)) == set(EVALUATION_SETS)


def test_of_a_ratings_file_an_evaluation_set_takes_the_eval_rows(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(ROWS)
    assert list(EVALUATION_SETS["ratings"](tmp_path, ["PQ"])["path"]) == ["1.wav"]
    with pytest.raises(DatmosError, match="no row with split 'valid'"):
        DATASETS["ratings"](tmp_path, ["PQ"])
    (tmp_path / "ratings.csv").write_text(ROWS.replace("eval", "train"))
    with pytest.raises(DatmosError, match="no row with split 'eval'; needed are clips of eval"):
        EVALUATION_SETS["ratings"](tmp_path, ["PQ"])


def test_the_evaluation_clips_alone_are_those_of_the_whole(lists: Path) -> None:
    whole = read_audiomos2025(lists, ["PQ", "CU"])
    alone = EVALUATION_SETS["audiomos2025"](lists, ["PQ", "CU"])
    expected = whole[whole["split"] == "eval"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)
