"""Choosing where to compute."""

import torch


def pick_device() -> torch.device:
    """Return CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where the hardware gains by it (CUDA); elsewhere in full precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
