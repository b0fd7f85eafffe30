"""Where things are that tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
PARAMS = REPOSITORY / "params.yaml"
