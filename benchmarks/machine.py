"""What the benchmarks of speed measure of the machine."""

import os
import re
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch


def peak_memory() -> float:
    """The largest memory of this process, GiB. Not ru_maxrss: that begins with the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30  # bytes on macOS


def session_memory(session: int) -> float:
    """Memory of all processes of a session (GiB), without mapped files (Linux)."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if os.getsid(int(folder.name)) == session:
                found = re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", (folder / "status").read_text())
                total += sum(int(kilobytes) for kilobytes in found)
    return total / 2**20


@contextmanager
def own_memory() -> Iterator[list[float]]:
    """Collect this process's memory (GiB) every 20 ms, without mapped files (Linux; elsewhere the peak, with them).

    Pages of a memory map are the system's: it takes them back when it needs them.
    """
    status, found, ended = Path("/proc/self/status"), [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
            found.append(int(line.split()[1]) / 2**20)

    if not status.exists():
        yield found
        found.append(peak_memory())
        return
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of a large matrix multiplication, FLOP/s."""
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=dtype)
    rates = []
    for _ in range(10):
        started = time.perf_counter()
        (a @ a)[0, 0].item()
        rates.append(2 * size**3 / (time.perf_counter() - started))
    return max(rates)


def memory_text(runs: list[dict[str, float]]) -> str:
    """The largest memory of several runs, of the process and of the GPU."""
    text = f"{max(run['memory'] for run in runs):.2f} GiB"
    gpu = max(run.get("gpu_memory", 0.0) for run in runs)
    return text + (f", GPU {gpu:.2f} GiB" if gpu else "")
