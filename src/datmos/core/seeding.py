"""Seeds derived by name, so that two uses of randomness never share a stream by accident."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(*names: str | int) -> int:
    """Return a 63-bit seed that depends on every name given: ``derive_seed("init", 3)``."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(*names: str | int, device: "torch.device | str" = "cpu") -> "torch.Generator":
    """Return a random stream of torch, seeded by name."""
    import torch  # here: half of the stages derive seeds and do without torch, which takes a second to load

    return torch.Generator(device).manual_seed(derive_seed(*names))


@contextmanager
def torch_seed(*names: str | int) -> Iterator[None]:
    """Run a block on torch's global generators, seeded by name and put back afterwards.

    Layers draw their first weights and dropout masks from the global generator and take no other, so this
    is how those streams are passed explicitly.
    """
    import torch  # here, as above

    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(*names))
        yield
