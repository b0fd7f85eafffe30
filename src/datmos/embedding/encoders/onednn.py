"""Faster float32 inference on a CPU: matrix products by oneDNN, convolutions without a transposition.

PyTorch gives float32 products to MKL, which reaches three quarters of what oneDNN does on AMD's processors, and
about the same on Intel's. And it runs a convolution on (C, T), while the layer normalisation that follows in
wav2vec2-like encoders wants (T, C): each pair costs two copies of the largest arrays there are.
"""

import torch
from torch import Tensor, nn


def use_onednn(model: nn.Module) -> None:
    """Let the linear layers and strided convolutions of a frozen model run on oneDNN, if it can.

    It can where the weights are float32 on a CPU and PyTorch was built with oneDNN. Values change in their last
    bits; weights, names and hooks stay. The new layers have no gradient.
    """
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return
    for module in model.modules():
        if type(module) is nn.Linear and _is_float32_on_cpu(module.weight):
            module.__class__ = _Linear
        # what wav2vec2 and its descendants call their convolutions, in transformers and in torchaudio
        for convolution in getattr(module, "conv_layers", nn.ModuleList()).modules():
            if type(convolution) is nn.Conv1d and _is_plain(convolution) and _is_float32_on_cpu(convolution.weight):
                convolution.__class__ = _Convolution


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``x @ weight.T + bias``."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


class _Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return _product(x, self.weight, self.bias)


class _Convolution(nn.Conv1d):
    """(B, C, samples) to (B, D, T), both of them views of frames (B, time, channels)."""

    def forward(self, x: Tensor) -> Tensor:
        windows = x.transpose(1, 2).unfold(1, self.kernel_size[0], self.stride[0])  # (B, T, C, kernel)
        frames = windows.transpose(2, 3).flatten(2)  # (B, T, kernel * C)
        return _product(frames, self.weight.transpose(1, 2).flatten(1), self.bias).transpose(1, 2)


def _is_plain(layer: nn.Conv1d) -> bool:
    return layer.groups == 1 and layer.padding == (0,) and layer.dilation == (1,)


def _is_float32_on_cpu(weight: Tensor) -> bool:
    return weight.dtype == torch.float32 and weight.device.type == "cpu"
