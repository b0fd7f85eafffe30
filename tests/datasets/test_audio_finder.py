"""Finding audio: any layout, extension and case; never the wrong file."""

from pathlib import Path

import pytest

from datmos.datasets.audio_finder import AudioFinder, find_clips

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
