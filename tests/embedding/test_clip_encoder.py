"""How the work is laid out on a machine."""

import pytest
import torch

from datmos.core.processes import ALONE
from datmos.embedding.clip_encoder import GPU_BATCH, GPU_WORKERS, EmbeddingPlan, plan_work
from datmos.embedding.settings import EmbedParams

GPU = torch.device("cuda", 0)


def params(batch_size: int | None = None, workers: int | None = None) -> EmbedParams:
    return EmbedParams(frames=True, batch_size=batch_size, workers=workers, cache=None, launcher="python")


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)


def test_a_cpu_takes_one_clip_a_core() -> None:
    assert plan_work(params(), ALONE) == EmbeddingPlan(1, 8, 8)
    assert plan_work(params(batch_size=32), ALONE) == EmbeddingPlan(
        1, 8, 8
    )  # no batch there: values would depend on it
    assert plan_work(params(workers=3), ALONE) == EmbeddingPlan(1, 3, 3)
    assert plan_work(params(), ALONE._replace(total=4, local_count=2)) == EmbeddingPlan(1, 4, 4)


def test_a_gpu_takes_one_batch_while_threads_decode() -> None:
    gpu = ALONE._replace(device=GPU)
    assert plan_work(params(), gpu) == EmbeddingPlan(GPU_BATCH, min(8, GPU_WORKERS), 1)
    assert plan_work(params(batch_size=5, workers=3), gpu) == EmbeddingPlan(5, 3, 1)
    assert plan_work(params(workers=1), gpu).workers == 2  # one decodes while the other's batch is encoded
