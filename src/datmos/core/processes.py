"""One process or many: plain `python`, or `accelerate launch` over devices and machines."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import Tensor

from datmos.core.device import pick_device

PATIENCE = timedelta(days=7)  # shares are never equal: the first to finish waits for the last


class Processes(NamedTuple):
    """This process among those of a launch."""

    rank: int
    total: int
    local_count: int  # on this machine
    device: torch.device
    wait: Callable[[], None]  # returns when all have called it


ALONE = Processes(0, 1, 1, torch.device("cpu"), lambda: None)


def join_processes() -> Processes:
    """Find out what `accelerate launch` (or torchrun) has started; without it this process is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE._replace(device=pick_device())
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    local_count = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
    return Processes(state.process_index, state.num_processes, local_count, state.device, state.wait_for_everyone)


def add_up(tensor: Tensor, processes: Processes) -> Tensor:
    """Replace a tensor by its sum over all processes, in place; all must call it, in the same order."""
    if processes.total > 1:
        torch.distributed.all_reduce(tensor)
    return tensor
