"""The faster layers: the same values as the plain ones, and only where they can be used."""

import copy

import pytest
import torch
from torch import Tensor, nn

from datmos.embedding.encoders.onednn import use_onednn

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch built without oneDNN")


class Network(nn.Module):
    """Three convolutions named as in wav2vec2, one elsewhere, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(
            [nn.Conv1d(1, 6, 10, 5), nn.Sequential(nn.Conv1d(6, 8, 3, 2, bias=False)), nn.Conv1d(8, 8, 2)]
        )
        self.other = nn.Conv1d(8, 4, 3)
        self.linear = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.conv_layers:
            x = layer(x)
        return self.linear(self.other(x).transpose(1, 2))


def changed(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if type(module) not in {nn.Linear, nn.Conv1d}]


@torch.inference_mode()
def test_the_same_values_names_and_weights() -> None:
    torch.manual_seed(0)
    plain = Network()
    fast = copy.deepcopy(plain)
    use_onednn(fast)
    new = set(changed(fast)) - set(changed(plain))
    assert new == {"conv_layers.0", "conv_layers.1.0", "conv_layers.2", "linear.0", "linear.1"}
    x = torch.randn(2, 1, 323)
    torch.testing.assert_close(fast(x), plain(x), rtol=1e-5, atol=1e-6)
    for name, weight in plain.state_dict().items():
        assert torch.equal(fast.state_dict()[name], weight)


def test_the_same_bits_whatever_ran_before() -> None:
    torch.manual_seed(0)
    fast = Network()
    use_onednn(fast)
    with torch.inference_mode():
        x = torch.randn(1, 1, 400)
        first = fast(x)
        fast(torch.randn(1, 1, 999))
        assert torch.equal(fast(x), first)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(4, 4, 3, padding=1),
        nn.Conv1d(4, 4, 3, groups=2),
        nn.Conv1d(4, 4, 3, dilation=2),
        nn.Conv1d(4, 4, 3, dtype=torch.bfloat16),
        nn.Linear(4, 4, dtype=torch.float64),
        nn.modules.linear.NonDynamicallyQuantizableLinear(4, 4),
    ],
    ids=["padding", "groups", "dilation", "bfloat16", "float64", "subclass"],
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    network = nn.Module()
    network.conv_layers = nn.ModuleList([layer])
    kind = type(layer)
    use_onednn(network)
    assert type(layer) is kind
