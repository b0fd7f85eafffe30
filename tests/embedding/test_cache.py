"""One file a clip, named by everything its content depends on."""

from pathlib import Path

import numpy as np
import pytest

from datmos.embedding.cache import ClipCache

ARRAYS = {"0": np.arange(6, dtype=np.float16).reshape(2, 3), "pooled": np.array([1.5, -2.0], dtype=np.float32)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path / "cache", {"layer": 1})
    assert not cache.has("clip")
    assert cache.read("clip") is None
    cache.write("clip", ARRAYS)
    assert cache.has("clip")
    found = cache.read("clip")
    assert found is not None
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_transposed_array_is_stored_as_it_reads(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, {})
    cache.write("clip", {"0": ARRAYS["0"].T})
    found = cache.read("clip")
    assert found is not None
    np.testing.assert_array_equal(found["0"], ARRAYS["0"].T)


def test_recipe_and_clip_name_the_file(tmp_path: Path) -> None:
    def path(clip: str, **recipe: int) -> Path:
        return ClipCache(tmp_path, recipe).path(clip)

    assert path("a", layer=1, hop=2) == path("a", hop=2, layer=1)
    assert len({path("a", layer=1), path("a", layer=2), path("b", layer=1)}) == 3


@pytest.mark.parametrize("place", [0, 10, 60, -40, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, place: int) -> None:
    cache = ClipCache(tmp_path, {})
    cache.write("clip", ARRAYS)
    content = bytearray(cache.path("clip").read_bytes())
    content[place] ^= 0x10
    cache.path("clip").write_bytes(content)
    assert cache.read("clip") is None


def test_removal(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path / "cache", {})
    cache.remove()  # nothing there yet
    cache.write("clip", ARRAYS)
    assert [file.suffix for file in tmp_path.rglob("*") if file.is_file()] == [".safetensors"]
    cache.remove()
    assert not list(tmp_path.iterdir())
