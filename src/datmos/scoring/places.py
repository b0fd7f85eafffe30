"""Where the pipeline puts models, relative to the current folder."""

from pathlib import Path

MODELS, COMBINATIONS = Path("data/models"), Path("data/combinations")


def local_folder(source: str | Path) -> Path | None:
    """Return the folder that a model's path or name stands for; None if there is none."""
    places = (Path(source), MODELS / source, COMBINATIONS / source)
    return next((folder for folder in places if folder.is_dir()), None)


def local_models() -> list[str]:
    """Return the names of all models that the pipeline has written."""
    return [
        folder.name
        for place in (MODELS, COMBINATIONS)
        if place.is_dir()
        for folder in sorted(place.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    ]
