"""The one typed schema of params.yaml: all sections, and what must hold between them.

A section is defined by the package that reads it. This file checks, and changes no value: that is why no stage has
to run again when it changes (tests/test_dvc_yaml.py leaves it out of the stages' code).
"""

from pathlib import Path
from typing import Annotated, Any, Self, get_args, get_origin

import yaml
from pydantic import Field, ValidationError, model_validator

from datmos.ablations.settings import GranularityParams
from datmos.audio.settings import AudioParams
from datmos.audiobox.settings import FinetuneParams
from datmos.core.errors import DatmosError, brief, listing, nearest
from datmos.core.settings import AdversaryParams, Name, Section, Seed, check_known, check_unique
from datmos.datasets.settings import CorpusParams, DataParams, EvaluationSetParams
from datmos.domains.settings import RULES, DomainParams, KmeansParams, RandomParams, SourceParams
from datmos.embedding.settings import EmbedParams, EncoderParams
from datmos.evaluation.settings import EvaluateParams, UmapParams
from datmos.heads.registry import WITHOUT_FRAMES
from datmos.training.settings import StrategyParams, TrainParams


class Params(Section):
    """All of params.yaml."""

    data: DataParams
    evaluation_sets: dict[Name, EvaluationSetParams]
    corpus: CorpusParams
    audio: AudioParams
    encoder: EncoderParams
    embed: EmbedParams
    source: SourceParams
    kmeans: KmeansParams
    random: RandomParams
    seeds: Annotated[list[Seed], Field(min_length=1)]
    train: TrainParams
    strategies: Annotated[dict[Name, StrategyParams], Field(min_length=1)]
    evaluate: EvaluateParams
    granularity: GranularityParams
    umap: UmapParams
    finetune: FinetuneParams

    @property
    def domains(self) -> DomainParams:
        """The sections that rules of domains read."""
        return DomainParams(self.source, self.kmeans, self.random)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, values in (
            ("seeds", self.seeds),
            ("evaluate.references", self.evaluate.references),
            ("granularity.strategies", self.granularity.strategies),
            ("granularity.k", self.granularity.k),
        ):
            check_unique(key, values)
        if (aspect := self.umap.aspect) is not None and aspect not in (known := self.data.aspects):
            raise ValueError(f"umap.aspect: '{aspect}' is not one of data.aspects: {', '.join(known)}")
        for key, names in (
            ("evaluate.baseline", [self.evaluate.baseline]),
            ("granularity.strategies", self.granularity.strategies),
            ("umap.strategies", self.umap.strategies),
        ):
            check_known(key, names, self.strategies, "strategies")
        self._check_names()
        for name, strategy in self.strategies.items():
            self._check_strategy(name, strategy)
        if not self.embed.frames and self.kmeans.average_over == "channels":
            raise ValueError("kmeans.average_over: channels needs frames, and embed.frames is false")
        for name, tuned in self.finetune.strategies.items():
            _check_adversaries(f"finetune.strategies.{name}", tuned)
        for name in self.granularity.strategies:
            if RULES[rule := self.strategies[name].domains].numbered_by is None:
                numbered = ", ".join(one for one, own in RULES.items() if own.numbered_by)
                raise ValueError(
                    f"granularity.strategies: the domains of '{name}' are '{rule}', whose number is given; "
                    f"strategies with domains {numbered} are expected"
                )
        return self

    def _check_names(self) -> None:
        """Every row of the tables needs a name of its own."""
        taken = dict.fromkeys(self.strategies, "a strategy")
        for key, names, kind in (
            ("evaluate.references", self.evaluate.references, "a reference"),
            ("finetune.strategies", self.finetune.strategies, "a fine-tuned strategy"),
            ("finetune.published", self.finetune.published, "a published predictor"),
        ):
            for name in names:
                if name in taken:
                    raise ValueError(
                        f"{key}: {name} is the name of {taken[name]} too; every row of the tables needs a name of "
                        "its own: rename one, or leave one out"
                    )
            taken |= dict.fromkeys(names, kind)

    def _check_strategy(self, name: str, strategy: StrategyParams) -> None:
        """What a strategy says fits the other sections."""
        key = f"strategies.{name}"
        _check_adversaries(key, strategy)
        labels = RULES[strategy.domains].labels
        if not strategy.groups_of(self.data.aspects)[0]:
            raise ValueError(
                f"{key}.spare: these are all of data.aspects, so that nothing is left for the adversaries; leave "
                "one out, or use a strategy with lambda 0"
            )
        if strategy.erase not in ("none", *labels):
            expected = f"none, or one of the domains ({', '.join(labels)})"
            raise ValueError(f"{key}.erase: {expected} is expected, got '{strategy.erase}'")
        if not self.embed.frames and strategy.head not in WITHOUT_FRAMES:
            raise ValueError(
                f"{key}.head: {strategy.head} reads frames, and embed.frames is false; set it to true, or use head "
                f"{', '.join(WITHOUT_FRAMES)}"
            )
        for own in strategy.train:
            if own not in TrainParams.model_fields:
                raise ValueError(
                    f"{key}.train: unknown key '{own}'{nearest(own, TrainParams.model_fields)} Expected some of: "
                    f"{', '.join(TrainParams.model_fields)}"
                )
        try:
            strategy.train_with(self.train)
        except ValidationError as error:
            problem = error.errors()[0]
            raise ValueError(
                f"{key}.train.{problem['loc'][0]}: {problem['msg']}, got {brief(problem['input'])}"
            ) from None


def _check_adversaries(key: str, strategy: AdversaryParams) -> None:
    """The rule is known, and there is a lambda for every label that it gives."""
    if strategy.domains not in RULES:
        raise ValueError(
            f"{key}.domains: unknown rule '{strategy.domains}'{nearest(strategy.domains, RULES)} Expected one of: "
            f"{', '.join(RULES)}"
        )
    labels = RULES[strategy.domains].labels
    if len(strategy.lambda_) != len(labels):
        raise ValueError(
            f"{key}: lambda: domains {strategy.domains} need {len(labels)}, one for "
            f"{' and one for '.join(labels)}; got {list(strategy.lambda_)}"
        )


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``path``.

    Raises `DatmosError` with one line for every key that is wrong.
    """
    if not path.is_file():
        raise DatmosError(f"{path}: no such file (looked in {Path.cwd()}); run this in the project's folder")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatmosError(f"{path}: can't be read as UTF-8 text ({error})") from None
    return check_params(text, str(path))


def check_params(text: str, name: str) -> Params:
    """Read params from YAML; errors call it ``name``.

    Raises `DatmosError` with one line for every key that is wrong.
    """
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-13-45
        raise DatmosError(f"{name}: not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise DatmosError(f"{name}: a mapping of settings is expected, found {type(raw).__name__}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(problem, raw) for problem in error.errors()]
        raise DatmosError(f"{name} is not valid:\n  " + listing(lines, "\n  ", shown=50)) from None


def _explain(problem: Any, raw: Any) -> str:
    """Turn one pydantic error into a line: key, value found, what is expected, nearest name."""
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path) or "(top level)"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        return (
            f"{key}: unknown key (value {brief(problem['input'])}){nearest(path[-1], known)} "
            f"Expected one of: {', '.join(known)}"
        )
    if problem["type"] == "missing":
        given = [name for name in _mapping_at(raw, path[:-1]) if name not in _known_keys(path[:-1])]
        return f"{key}: missing, a value is expected{nearest(path[-1], given)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        return f"{key}: {message}" if path else message
    hint = (
        nearest(
            brief(problem["input"]),
            problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "),
        )
        if problem["type"] == "literal_error"
        else ""
    )
    return f"{key}: {message}, got {brief(problem['input'])}{hint}"


def _mapping_at(raw: Any, path: list[str]) -> dict[str, Any]:
    for part in path:
        raw = raw.get(part, {}) if isinstance(raw, dict) else {}
    return raw if isinstance(raw, dict) else {}


def _known_keys(path: list[str]) -> list[str]:
    """Names the schema knows under a key such as ["strategies", "dat_source"]."""
    section: Any = Params
    for part in path:
        section = get_args(section)[1] if get_origin(section) is dict else section.model_fields[part].annotation
    return [field.alias or name for name, field in section.model_fields.items()]
