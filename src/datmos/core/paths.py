"""Where the pipeline puts things, relative to the project's folder. dvc.yaml has the same paths."""

from collections.abc import Iterator
from pathlib import Path

from datmos.core.errors import DatmosError, listing, nearest

CORPUS = Path("data/corpus")
MANIFEST = Path("data/manifest.parquet")
EMBEDDINGS = Path("data/embeddings")
DOMAINS = Path("data/domains")
FINETUNE_DOMAINS = Path("data/finetune_domains")
MODELS = Path("data/models")
FINETUNED = Path("data/finetuned")
CURVES = Path("data/curves")
PREDICTIONS = Path("data/predictions")
H = Path("data/h")
REFERENCES = Path("data/references")
GRANULARITY = Path("data/granularity")
DETAILS = Path("data/details")
SETS = Path("data/sets")
EXPORTS = Path("data/exports")
METRICS = Path("metrics")
PLOTS = Path("plots")
OUTPUTS = (  # folders that stages write
    CORPUS, EMBEDDINGS, DOMAINS, FINETUNE_DOMAINS, MODELS, FINETUNED, CURVES, PREDICTIONS, H, REFERENCES,
    GRANULARITY, DETAILS, SETS, METRICS, PLOTS,
)  # fmt: skip
MODEL_FOLDERS = (MODELS, FINETUNED)  # with a folder for each strategy


def local_models(project: Path = Path()) -> list[str]:
    """Return the names of all models that the pipeline has written."""
    return [folder.name for folder in _model_folders(project)]


def local_model(source: str | Path) -> Path | None:
    """Return the folder (or checkpoint.pt) that a model's path or name stands for; None if it is not here."""
    path = Path(source)
    if path.is_dir() or (path.suffix == ".pt" and path.is_file()):
        return path
    return _named(str(source), Path())


def find_models(project: Path, name: str) -> Path:
    """Return the folder of a strategy's models.

    Raises:
        DatmosError: there is none.
    """
    if (folder := _named(name, project)) is not None:
        return folder
    known = local_models(project)
    if not known:
        raise DatmosError(f"no models in {MODELS} (looked in {project.resolve()}); run `dvc repro train` first")
    raise DatmosError(f"no models '{name}'{nearest(name, known)} Expected one of: {listing(known)}")


def weights_file(folder: Path, seed: int | str) -> Path:
    """Return where a folder of models has those of one seed."""
    return folder / f"seed_{seed}.safetensors"


def _named(name: str, project: Path) -> Path | None:
    return next((folder for folder in _model_folders(project) if folder.name == name), None)


def _model_folders(project: Path) -> Iterator[Path]:
    for place in MODEL_FOLDERS:
        for folder in sorted((project / place).glob("*")):
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder
