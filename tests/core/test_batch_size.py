"""A batch size that fits: halved where memory runs out, and nothing computed twice but the part that failed."""

import pytest
import torch

from datmos.core.batch_size import BatchSize
from datmos.core.errors import DatmosError

CPU = torch.device("cpu")


def test_it_is_halved_where_memory_runs_out_and_stays_so(capsys: pytest.CaptureFixture[str]) -> None:
    asked, size = [], BatchSize(8, "clips", CPU, "nothing fits")

    def compute(start: int, rows: int) -> list[int]:
        asked.append((start, rows))
        if rows > 3:
            raise torch.OutOfMemoryError
        return list(range(start, start + rows))

    parts = size.each(5, compute)
    assert asked == [(0, 8), (0, 4), (0, 2), (2, 2), (4, 2)]
    assert parts == [[0, 1], [2, 3], [4, 5]]  # the last reaches beyond: it is filled up by whoever computes
    assert "cpu: out of memory with 8 clips at once, going on with 4" in capsys.readouterr().err
    asked.clear()
    size.each(2, compute)
    assert asked == [(0, 2)]


def test_not_even_one_fits() -> None:
    def compute(start: int, rows: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(DatmosError, match="nothing fits"):
        BatchSize(2, "clips", CPU, "nothing fits").each(1, compute)
