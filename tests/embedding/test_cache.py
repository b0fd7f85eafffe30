"""One file a clip, named by everything its content depends on; damage is noticed, and several users can share."""

import errno
import hashlib
import multiprocessing
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from datmos.core.errors import DatmosError
from datmos.embedding.cache import ClipCache, form_of
from helpers.embedding import clip_arrays

ARRAYS = clip_arrays(np.arange(6, dtype=np.float16).reshape(2, 3), pooled=np.array([1.5, -2.0], dtype=np.float32))
FORM = {
    "0": ("float16", (2, 3)),
    "statistics": ("float32", (4,)),
    "pooled": ("float32", (2,)),
    "length": ("int64", (1,)),
}
MORE = ARRAYS | {"1": ARRAYS["0"] + 1}


def cache_in(folder: Path, layers: int = 1, **recipe: int) -> ClipCache:
    return ClipCache(folder, recipe, layers)


def sealed(arrays: dict[str, np.ndarray]) -> bytes:
    """An entry with a right digest, whatever is in it."""
    content = save(arrays)
    return content + hashlib.blake2b(content, digest_size=32).digest()


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache")
    assert cache.form("clip") is None
    assert cache.read("clip", FORM) is None
    cache.write("clip", ARRAYS)
    assert cache.form("clip") == form_of(ARRAYS) == FORM
    found = cache.read("clip", FORM)
    assert found is not None
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_transposed_array_is_stored_as_it_reads(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.write("clip", ARRAYS | {"0": ARRAYS["0"].reshape(3, 2).T})
    found = cache.read("clip", FORM)
    assert found is not None
    np.testing.assert_array_equal(found["0"], ARRAYS["0"].reshape(3, 2).T)


def test_recipe_and_clip_name_the_file(tmp_path: Path) -> None:
    def path(clip: str, **recipe: int) -> Path:
        return cache_in(tmp_path, **recipe).path(clip)

    assert path("a", layer=1, hop=2) == path("a", hop=2, layer=1)
    assert len({path("a", layer=1), path("a", layer=2), path("b", layer=1)}) == 3


def test_no_changed_byte_is_read(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, layers=2)
    cache.write("clip", MORE)
    whole = cache.path("clip").read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 0x10
        cache.path("clip").write_bytes(content)
        cache.form("clip")  # whatever it finds, no error
        assert cache.read("clip", form_of(MORE)) is None, place


@pytest.mark.parametrize("length", [0, 3, 8, 60, 150, -1])
def test_a_cut_entry_is_noticed_by_its_head(tmp_path: Path, length: int) -> None:
    cache = cache_in(tmp_path)
    cache.write("clip", ARRAYS)
    cache.path("clip").write_bytes(cache.path("clip").read_bytes()[:length])
    assert cache.form("clip") == {}
    assert cache.read("clip", FORM) is None


@pytest.mark.parametrize(
    "arrays",
    [
        {"0": ARRAYS["0"]},
        MORE,
        ARRAYS | {"0": ARRAYS["0"].astype(np.float32)},
        ARRAYS | {"0": ARRAYS["0"].astype(np.float64)},
        ARRAYS | {"0": ARRAYS["0"][0]},
        ARRAYS | {"pooled": ARRAYS["pooled"].astype(np.float16)},
        ARRAYS | {"pooled": np.zeros(3, np.float32)},
        ARRAYS | {"statistics": np.zeros(3, np.float32)},
        ARRAYS | {"length": np.zeros(2, np.int64)},
        {name: array for name, array in ARRAYS.items() if name != "0"},
    ],
)
def test_an_entry_that_no_encoder_gives_is_damaged(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Fault 19: entries of another shape or dtype were taken, and shifted all later rows."""
    cache = cache_in(tmp_path)
    cache.write("clip", ARRAYS)
    cache.path("clip").write_bytes(sealed(arrays))
    assert cache.form("clip") == {}
    assert cache.read("clip", FORM) is None


def test_a_cache_without_frames_takes_none(tmp_path: Path) -> None:
    cache, arrays = cache_in(tmp_path, layers=0), {name: ARRAYS[name] for name in FORM if name != "0"}
    cache.write("clip", arrays)
    assert cache.form("clip") == form_of(arrays)
    cache.write("clip", ARRAYS)
    assert cache.form("clip") == {}


def test_an_entry_of_another_length_is_not_read(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.write("clip", ARRAYS | {"0": np.zeros((2, 5), np.float16)})
    assert cache.form("clip") == FORM | {"0": ("float16", (2, 5))}
    assert cache.read("clip", FORM) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["0", "pooled", "statistics"])
def test_values_that_are_not_finite_are_not_read(tmp_path: Path, name: str, value: float) -> None:
    arrays = {key: array.copy() for key, array in ARRAYS.items()}
    arrays[name].flat[1] = value
    cache = cache_in(tmp_path)
    cache.write("clip", arrays)
    assert cache.read("clip", FORM) is None


def test_a_hostile_head_is_damage(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.write("clip", ARRAYS)
    for head in (b"[]", b"[[" * 5000, b'{"0": 1}', b'{"0": {"dtype": "F16", "shape": 3}}', b"\xff", b"{}"):
        cache.path("clip").write_bytes(len(head).to_bytes(8, "little") + head + bytes(100))
        assert cache.form("clip") == {}
    cache.path("clip").write_bytes(b"\xff" * 100)  # a head of 2^64 bytes
    assert cache.form("clip") == {}


def test_a_folder_in_place_of_an_entry_is_one_message(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    (cache.path("clip") / "thesis").mkdir(parents=True)
    assert cache.form("clip") == {}
    assert cache.read("clip", FORM) is None
    with pytest.raises(DatmosError, match=r"can't be written \(Is a directory\)\. Remove what is in the way"):
        cache.write("clip", ARRAYS)
    assert (cache.path("clip") / "thesis").is_dir()
    assert [path.name for path in cache.path("clip").parent.iterdir()] == [cache.path("clip").name]


def test_a_file_in_place_of_the_cache_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("thesis")
    cache = cache_in(tmp_path / "cache")
    assert cache.form("clip") is None
    with pytest.raises(DatmosError, match=r"cache: .* can't be written .*Remove what is in the way"):
        cache.write("clip", ARRAYS)
    assert (tmp_path / "cache").read_text() == "thesis"


def test_a_full_disk_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_in(tmp_path)
    cache.write("clip", ARRAYS)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DatmosError, match=r"No space left on device\)\. Make space and run again"):
        cache.write("clip", ARRAYS)
    assert cache.read("clip", FORM) is not None


@pytest.mark.parametrize(("mask", "folder", "file"), [(0o022, 0o755, 0o644), (0o002, 0o775, 0o664)])
def test_permissions_follow_the_umask(
    tmp_path: Path, umask: Callable[[int], int], mask: int, folder: int, file: int
) -> None:
    umask(mask)
    cache = cache_in(tmp_path / "cache")
    cache.write("clip", ARRAYS)
    path = cache.path("clip")
    found = [stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "cache", path.parent, path)]
    assert found == [folder, folder, file]


def test_permissions_follow_a_folder_that_is_shared(tmp_path: Path, umask: Callable[[int], int]) -> None:
    """Fault 26: with the usual umask, what one user made no other could write into."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o2775)
    umask(0o077)
    cache = cache_in(tmp_path / "cache")
    cache.write("clip", ARRAYS)
    path = cache.path("clip")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2775
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that others can look into: pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(task: Callable[[], object]) -> str:
    """Run a task in a process of a user without rights; returns what it returned or raised, as text."""

    def child(results: "multiprocessing.SimpleQueue[str]") -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            results.put(str(task()))
        except BaseException as error:
            results.put(f"{type(error).__name__}: {error}")

    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=child, args=(results,))
    process.start()
    process.join()
    return results.get()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_second_user_reads_and_is_told_what_to_do(public: Path, umask: Callable[[int], int]) -> None:
    cache = cache_in(public / "cache")
    cache.write("clip", ARRAYS)
    assert as_nobody(lambda: cache.read("clip", FORM) is not None) == "True"
    words = f"DatmosError: the cache {public}/cache: "
    for clip in ("clip", "another"):
        said = as_nobody(lambda clip=clip: cache.write(clip, ARRAYS))  # type: ignore[misc]
        assert said.startswith(words)
        assert "Permission denied" in said
        assert f"`chmod -R g+rwX {public}/cache`. Or set embed.cache to a folder of your own." in said
    (public / "cache").chmod(0o777)
    cache.write("third", ARRAYS)  # its folder is new
    assert as_nobody(lambda: cache.write("third", ARRAYS)) == "None"
    os.chown(cache.path("third"), 0, 0)
    cache.path("third").chmod(0o600)  # not theirs to read: computed again, and replaced
    assert as_nobody(lambda: (cache.read("third", FORM), cache.form("third"))) == "(None, {})"
    assert as_nobody(lambda: cache.write("third", ARRAYS)) == "None"


def write_many_times(folder: Path) -> None:
    for _ in range(50):
        cache_in(folder).write("clip", ARRAYS)


def test_processes_that_write_one_entry_do_not_disturb_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_many_times, args=(tmp_path / "cache",)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    cache = cache_in(tmp_path / "cache")
    assert cache.read("clip", FORM) is not None
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [cache.path("clip")]


def test_what_kills_left_is_removed_when_nobody_can_still_be_writing_it(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    folder = cache.path("clip").parent
    folder.mkdir()
    old, fresh = folder / ".a.safetensors.0.tmp", folder / ".b.safetensors.1.tmp"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 100_000,) * 2)
    cache.write("clip", ARRAYS)
    assert sorted(folder.iterdir()) == sorted([fresh, cache.path("clip")])


def test_removal(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache")
    cache.remove()  # nothing there yet
    cache.write("clip", ARRAYS)
    assert [file.suffix for file in tmp_path.rglob("*") if file.is_file()] == [".safetensors"]
    cache.remove()
    assert not list(tmp_path.iterdir())


def test_removal_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/thesis").touch()
    (tmp_path / "link").symlink_to("precious")
    cache_in(tmp_path / "link").remove()
    cache = cache_in(tmp_path / "cache")
    cache.write("clip", ARRAYS)
    (tmp_path / "cache/link").symlink_to("../precious")
    cache.remove()
    assert (tmp_path / "precious/thesis").exists()
    assert not (tmp_path / "cache").exists()
