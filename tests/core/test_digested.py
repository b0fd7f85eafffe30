"""Files of tensors with a digest: back as they were, of every kind that a training has."""

from pathlib import Path

import pytest
import torch

from datmos.core.digested import DamagedFileError, read_digested, save_digested
from datmos.core.tensors import save_tensors

TENSORS = {
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "scalar": torch.tensor(3),
    "none": torch.empty(0, 4, dtype=torch.float64),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "truth": torch.tensor([True, False]),
}


def test_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.safetensors"
    save_digested(path, {"a": torch.ones(9)}, {})
    save_digested(path, TENSORS, {"epoch": "3"})
    tensors, metadata = read_digested(path)
    assert metadata == {"epoch": "3"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_without_a_digest_is_not_believed(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x.safetensors", TENSORS)
    with pytest.raises(DamagedFileError, match="does not match its digest"):
        read_digested(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("before", "after"),
    [(b'"scalar"', b'"scalaX"'), (b'"F32","shape":[3,2]', b'"I32","shape":[3,2]'), (b"[3,2]", b"[2,3]")],
)
def test_names_types_and_shapes_are_part_of_the_digest(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "x.safetensors"
    save_digested(path, TENSORS, {})
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    with pytest.raises(DamagedFileError, match="does not match its digest"):
        read_digested(path)
