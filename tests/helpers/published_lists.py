"""The published lists of the AudioMOS Challenge, as far as a test wants them, and stand-ins for their audio."""

import csv
import json
from pathlib import Path

import numpy as np
import soundfile

LISTS = {"train": "audiomos2025-track2-train_list.csv", "valid": "audiomos2025-track2-dev_list.csv"}
EVAL = "audiomos2025_track2_human_annotations.jsonl"


def write_subset(lists: Path, root: Path, train: int, valid: int, per_system: int) -> list[str]:
    """Copy every n-th row of the real lists to ``root``; returns published paths and names of eval clips."""
    root.mkdir(parents=True, exist_ok=True)
    names = []
    for split, wanted in (("train", train), ("valid", valid)):
        with (lists / LISTS[split]).open(newline="") as file:
            header, *rows = list(csv.reader(file))
        kept = rows[:: len(rows) // wanted][:wanted]
        with (root / LISTS[split]).open("w", newline="") as file:
            csv.writer(file).writerows([header, *kept])
        names += [row[1].removeprefix("/your_path/") for row in kept]
    taken: dict[str, int] = {}
    with (root / EVAL).open("w") as file:
        for line in (lists / EVAL).read_text().splitlines():
            name = json.loads(line)["data_path"]
            system = name.split("-utt")[0]
            taken[system] = taken.get(system, 0) + 1
            if taken[system] <= per_system:
                file.write(line + "\n")
                names.append(name + ".wav")
    for natural in lists.glob("AES_natural_*.jsonl"):
        (root / natural.name).symlink_to(natural)
    return names


def write_audio(root: Path, names: list[str]) -> None:
    """Noise of half a second, other for each."""
    generator = np.random.default_rng(0)
    for name in names:
        path = (root / name).with_suffix(".wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, generator.uniform(-0.5, 0.5, 8000), 16000)


def pam_paths(lists: Path) -> list[str]:
    """Published paths of all clips of PAM."""
    lines = (lists / "AES_PAM.jsonl").read_text().splitlines()
    return [json.loads(line)["data_path"].removeprefix("/your_path/") for line in lines]
