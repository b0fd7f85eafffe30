"""Finding audio: any layout, extension and case; never the wrong file."""

from pathlib import Path

import pytest

from datmos.datasets.audio_finder import AudioFinder, audio_below, find_clips, leaves

NAMES = ["set-music-A_bass", "set-music-B_bass", "set-speech-p1_x", "set-speech-p2_x", "set-mp3-c.mp3"]
PATHS = ["MUSDB/test/A song/bass.wav", "MUSDB/test/B song/bass.wav", "EARS/p1/x.wav", "EARS/p2/x.wav", "cv/c.mp3"]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    "layout",
    [
        PATHS,
        [path.upper() for path in PATHS],
        [f"deep/inside/{path.split('/', 1)[1].rsplit('.', 1)[0]}.flac" for path in PATHS],
        [f"flat/{name}.wav" for name in NAMES],
        ["MUSDB/test/A song/bass.wav", "set-music-B_bass.opus", "x/p1/x.m4a", "EARS/p2/X.WAV", "set-mp3-c.mp3"],
    ],
)
def test_layouts(tmp_path: Path, layout: list[str]) -> None:
    touch(tmp_path, *layout, "unrelated/readme.txt", "bass.txt", "A song/cover.jpg", ".hidden/bass.wav")
    assert find_clips(AudioFinder(tmp_path), NAMES, PATHS) == (layout, [""] * 5)


def test_another_songs_bass_is_not_taken(tmp_path: Path) -> None:
    touch(tmp_path, "MUSDB/test/A song/bass.wav", "MUSDB/test/C song/bass.wav", "bass.wav")
    files, reasons = find_clips(AudioFinder(tmp_path), NAMES[:2], PATHS[:2])
    assert files == ["MUSDB/test/A song/bass.wav", ""]
    assert reasons == [
        "",
        "not found: no audio file named set-music-B_bass, and none whose path ends in b song/bass",
    ]


def test_the_same_clip_twice_is_for_the_user_to_decide(tmp_path: Path) -> None:
    touch(tmp_path, "old/EARS/p1/x.wav", "new/p1/x.flac")
    files, reasons = find_clips(AudioFinder(tmp_path), NAMES[2:3], PATHS[2:3])
    assert files == [""]
    assert reasons == ["found 2 times: new/p1/x.flac, old/EARS/p1/x.wav; keep one"]


def test_links_are_followed(tmp_path: Path) -> None:
    touch(tmp_path / "disk", *PATHS)
    (tmp_path / "root").mkdir()
    (tmp_path / "root/audio").symlink_to(tmp_path / "disk")
    files, _ = find_clips(AudioFinder(tmp_path / "root"), NAMES, PATHS)
    assert files == [f"audio/{path}" for path in PATHS]


def found_below(root: Path) -> list[str]:
    return [str(path) for path in audio_below(root)]


def test_every_real_folder_is_looked_into_once(tmp_path: Path) -> None:
    """Two folders that link to each other gave one file 41 times."""
    touch(tmp_path, "a/a.wav", "b/b.wav", "b/in/c.wav", "d.wav")
    (tmp_path / "a/to_b").symlink_to("../b")
    (tmp_path / "b/to_a").symlink_to("../a")
    (tmp_path / "b/in/up").symlink_to("../..")
    (tmp_path / "a/self").symlink_to(".")
    assert found_below(tmp_path) == ["d.wav", "a/a.wav", "b/b.wav", "b/in/c.wav"]
    assert found_below(tmp_path / "a") == ["a.wav", "to_b/b.wav", "to_b/in/c.wav", "to_b/in/up/d.wav"]


def test_a_folder_is_known_by_its_own_name_before_a_links(tmp_path: Path) -> None:
    touch(tmp_path, "root/real/x.wav", "disk/y.wav")
    for name in ("a_link", "b_link"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "disk")
    (tmp_path / "root/also_real").symlink_to("real")
    assert found_below(tmp_path / "root") == ["real/x.wav", "a_link/y.wav"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found_below(tmp_path / "nothing\x1b") == []
    assert capsys.readouterr().err.endswith("nothing\\x1b: not searched for audio: No such file or directory\n")


def test_links_that_leave_a_folder(tmp_path: Path) -> None:
    digest = "0123456789abcdef" * 4
    stores = [
        "files/md5/ab/" + digest[:30],
        "blobs/" + digest,
        ".git/annex/objects/X/Y/MD5E-s1--x.wav/MD5E-s1--x.wav",
    ]
    touch(tmp_path, "root/in/a.wav", "private/a.wav", *(f"store/{name}" for name in stores))
    for name, target in [
        ("inside.wav", "in/a.wav"),
        ("out.wav", tmp_path / "private/a.wav"),
        ("folder", tmp_path / "private"),
        ("dangling.wav", "/nowhere/a.wav"),
        *[(f"stored{number}.wav", tmp_path / "store" / name) for number, name in enumerate(stores)],
    ]:
        (tmp_path / "root" / name).symlink_to(target)
    (tmp_path / "linked").symlink_to("root")
    for root in (tmp_path / "root", tmp_path / "linked"):
        stays = [
            "in/a.wav",
            "inside.wav",
            "not_there.wav",
            "x" * 300,
            "a\0b",
            *(f"stored{n}.wav" for n in range(3)),
        ]
        assert [name for name in stays if leaves(root, name)] == []
        gone = ["out.wav", "folder/a.wav", "dangling.wav"]
        assert [name for name in gone if leaves(root, name)] == gone
