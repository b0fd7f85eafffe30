"""Writing: rounded, deterministic, never half done."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.core.files import replacing, write_csv, write_metrics, write_parquet


def test_metrics_are_rounded_and_nan_is_null(tmp_path: Path) -> None:
    write_metrics(
        tmp_path / "m.json", {"a": 1.2345678, "b": [np.float32(1 / 3), np.int64(2)], "c": float("nan"), 4: "x"}
    )
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": 1.2346, "b": [0.33333, 2], "c": None, "4": "x"}


def test_csv_is_rounded(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"n": [1], "x": [2 / 3]}))
    assert (tmp_path / "t.csv").read_bytes() == b"n,x\n1,0.66667\n"


def test_parquet_bytes_depend_on_rows_alone(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": ["x", "y", "z"], "b": [1.0, 2.0, 3.0]})
    write_parquet(tmp_path / "1.parquet", table)
    write_parquet(tmp_path / "2.parquet", pd.concat([table, table]).iloc[3:])  # another index
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("old", "new"):
        with replacing(target) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]
