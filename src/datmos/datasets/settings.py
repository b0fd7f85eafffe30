"""The sections ``data``, ``evaluation_sets`` and ``corpus`` of params.yaml, and the kinds of datasets."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from datmos.core.aspects import check_aspect_names
from datmos.core.paths import CORPUS, OUTPUTS
from datmos.core.registry import one_of
from datmos.core.settings import Count, Float, Int, Name, Section, Seed

# A new kind is a function, called with the root and data.aspects, that returns what
# `datmos.datasets.ratings.read_ratings` does; and a line here.
DATASETS = {  # data.kind: clips to train, validate and evaluate on
    "simulated": "datmos.datasets.ratings.read_ratings_file",
    "ratings": "datmos.datasets.ratings.read_ratings_file",
    "audiomos2025": "datmos.datasets.audiomos2025.read_audiomos2025",
}
EVALUATION_SETS = {  # evaluation_sets.<name>.kind: clips to evaluate on
    "ratings": "datmos.datasets.ratings.read_evaluation_rows",
    "audiomos2025": "datmos.datasets.audiomos2025.read_audiomos2025_evaluation",
    "pam": "datmos.datasets.pam.read_pam",
}


def check_root(root: Path) -> None:
    """Refuse a folder of clips that DVC or the shell would take for something else.

    Raises:
        ValueError: it begins with ~, or it holds outputs of the pipeline or lies in one.
    """
    if root.parts[:1] and root.parts[0].startswith("~"):
        raise ValueError(f"root: {root}: ~ is not expanded here; write the whole path, such as {Path.home()}/clips")
    folder = (Path.cwd() / root).resolve()
    for output in map(Path.cwd().joinpath, OUTPUTS):
        if folder in (output, *output.parents) or output in folder.parents:
            raise ValueError(
                f"root: {root}: the pipeline writes {output.relative_to(Path.cwd())} there. Put the clips into a "
                "folder of their own, such as clips/, or outside of the project"
            )


class DataParams(Section):
    """Where the clips and their ratings come from."""

    kind: Annotated[str, one_of(DATASETS)]
    root: Path
    aspects: Annotated[list[Name], Field(min_length=1)]
    scale: Annotated[tuple[Float, Float], Field(description="lowest and highest rating")]
    max_excluded: Annotated[Float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "simulated") != (self.root == CORPUS):
            expected = f"is {CORPUS}" if self.kind == "simulated" else "is the folder with your ratings and audio"
            raise ValueError(f"root: with kind {self.kind} it {expected}, got {self.root}")
        if self.kind != "simulated":
            check_root(self.root)
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale: the lowest rating must be below the highest, got {list(self.scale)}")
        check_aspect_names(self.aspects)
        return self


class EvaluationSetParams(Section):
    """Further clips to evaluate on, beside the eval split."""

    kind: Annotated[str, one_of(EVALUATION_SETS)]
    root: Path
    max_excluded: Annotated[Float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_root(self.root)
        return self


class CorpusParams(Section):
    """Size and seed of the simulated listening study."""

    seed: Seed
    train_per_source: Count
    valid_per_source: Count
    systems: Annotated[Int, Field(ge=3, multiple_of=3)]
    clips_per_system: Count
    counterfactuals: Annotated[Int, Field(ge=0, multiple_of=3)]
    clip_seconds: Annotated[Float, Field(ge=1)]
    raters: Count
    shortcut: Annotated[Float, Field(ge=0, le=1)]
