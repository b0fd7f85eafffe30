"""Compare bfloat16 convolutions on this CPU with float32 ones.

    python benchmarks/bfloat16_convolution.py
    ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 python benchmarks/bfloat16_convolution.py     (the same without AMX)

Seen on a processor with AMX: the strided Conv1d of 8 channels (kernel 16, stride 16, 800 to 50 frames) is wrong in
bfloat16, and right with ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16; 32, 512 and 1024 channels were right. So an encoder's
embedding had an error of 1.5 of its variance. Known upstream:

- https://github.com/pytorch/pytorch/issues/169688: strided bfloat16 convolutions on a CPU
- https://github.com/pytorch/pytorch/issues/163347: a small bfloat16 convolution on a CPU
- https://github.com/uxlfoundation/oneDNN/issues/5717: bfloat16 matrix products with AMX

Exit status 1 if any is wrong.
"""

import sys
from pathlib import Path

import torch
from torch import nn

WIDTHS = (8, 32, 512)  # channels in and out
LAYERS = {"plain": (3, 1), "strided": (16, 16)}  # kernel, stride
FRAMES = 800
LIMIT = 0.01  # mean squared error over the variance; rounding alone gives about 1e-5


@torch.inference_mode()
def relative_error(width: int, kernel: int, stride: int) -> float:
    """Mean squared error of the bfloat16 result over the variance of the float32 one."""
    torch.manual_seed(0)
    layer, x = nn.Conv1d(width, width, kernel, stride, bias=False), torch.randn(1, width, FRAMES)
    expected = layer(x)
    found = layer.bfloat16()(x.bfloat16()).float()
    return float((found - expected).square().mean() / expected.var())


def main() -> None:
    cpu = Path("/proc/cpuinfo")
    amx = ("yes" if "amx_bf16" in cpu.read_text() else "no") if cpu.exists() else "unknown"
    print(f"torch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}, AMX: {amx}")
    wrong = 0
    for width in WIDTHS:
        for name, (kernel, stride) in LAYERS.items():
            error = relative_error(width, kernel, stride)
            right = error <= LIMIT  # false for NaN
            wrong += not right
            print(f"{width:4} channels, {name:7} (kernel {kernel:2}, stride {stride:2}): error {error:.1e}", end="")
            print("" if right else "  WRONG")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
