"""Where the pipeline puts models, relative to the current folder."""

from pathlib import Path

MODELS = Path("data/models")
PLACES = (MODELS, Path("data/combinations"), Path("data/finetuned"))


def local_model(source: str | Path) -> Path | None:
    """Return the folder (or checkpoint.pt) that a model's path or name stands for; None if it is not here."""
    if Path(source).suffix == ".pt" and Path(source).is_file():
        return Path(source)
    return next(
        (folder for folder in (Path(source), *(place / source for place in PLACES)) if folder.is_dir()), None
    )


def local_models() -> list[str]:
    """Return the names of all models that the pipeline has written."""
    return [
        folder.name
        for place in PLACES
        if place.is_dir()
        for folder in sorted(place.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    ]
