"""The one typed schema of params.yaml, read by every stage.

Numbers are coerced (DVC writes ``-S train.learning_rate=1e-5`` as the *string* ``1e-05``); unknown keys,
wrong types and impossible values are refused with the key, the value, what is expected and the nearest name.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from datmos.core.errors import DatmosError, nearest


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")
    return value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _one_or_list(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(values) == 1 else list(values)


Int = Annotated[int, BeforeValidator(_not_bool)]
Float = Annotated[float, BeforeValidator(_not_bool), Field(allow_inf_nan=False)]
Count = Annotated[Int, Field(ge=1)]
Seed = Annotated[Int, Field(ge=0)]
Layer = Annotated[Int, Field(ge=1)]
Positive = Annotated[Float, Field(gt=0)]
NotNegative = Annotated[Float, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Lambda = Annotated[  # a number, or one for each adversary
    tuple[NotNegative, ...],
    BeforeValidator(_as_list),
    PlainSerializer(_one_or_list),
    Field(alias="lambda", min_length=1),
]
CORPUS = Path("data/corpus")  # where the simulated study is rendered
MANIFEST_COLUMNS = (  # beside the aspects, which therefore can't have these names
    "clip_id", "path", "split", "category", "source", "system", "base", "duration_s", "sample_rate", "channels",
    "sha256", "seed",
)  # fmt: skip
ASPECT_SUFFIXES = ("_ratings", "_true", "_std")  # of columns that belong to an aspect
DomainRule = Literal["source", "kmeans", "random", "source_kmeans"]
BRANCHES = {"source_kmeans": ("source", "kmeans")}  # rules that label every clip twice: an adversary for each
NUMBERED = {"kmeans": "kmeans", "random": "random", "source_kmeans": "kmeans"}  # rule: the entry with its k


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=False, validate_by_alias=True)


class DataParams(_Section):
    """Where the clips and their ratings come from."""

    kind: Literal["simulated", "ratings", "audiomos2025"]
    root: Path
    aspects: Annotated[list[Name], Field(min_length=1)]
    scale: Annotated[tuple[Float, Float], Field(description="lowest and highest rating")]
    max_excluded: Annotated[Float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "simulated") != (self.root == CORPUS):
            expected = f"is {CORPUS}" if self.kind == "simulated" else "is the folder with your ratings and audio"
            raise ValueError(f"root: with kind {self.kind} it {expected}, got {self.root}")
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale: the lowest rating must be below the highest, got {list(self.scale)}")
        if len(set(self.aspects)) < len(self.aspects):
            raise ValueError(f"aspects: every name once, got {self.aspects}")
        if taken := set(self.aspects) & set(MANIFEST_COLUMNS):
            raise ValueError(
                f"aspects: {', '.join(sorted(taken))} is the name of another column; rename the aspect"
            )
        for aspect in self.aspects:
            if aspect.endswith(ASPECT_SUFFIXES):
                raise ValueError(
                    f"aspects: {aspect} must not end in {', '.join(ASPECT_SUFFIXES)}; rename the aspect"
                )
        return self


class EvaluationSetParams(_Section):
    """Further clips to evaluate on, beside the eval split."""

    kind: Literal["ratings", "audiomos2025", "pam"]
    root: Path
    max_excluded: Annotated[Float, Field(ge=0, le=1)]


class CorpusParams(_Section):
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


class AudioParams(_Section):
    """Which part of a clip is used, in seconds."""

    clip_seconds: Positive
    offset: NotNegative
    min_seconds: Positive


class EncoderParams(_Section):
    """The frozen SSL model."""

    kind: Literal["distillmos", "transformers", "torchaudio"]
    model: str | None
    revision: str | None
    layer: Layer | None
    extra_layers: list[Layer]
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    trust_remote_code: bool

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "distillmos":
            given = [name for name in ("model", "revision", "layer") if getattr(self, name) is not None]
            if given:
                raise ValueError(f"kind distillmos has one model and one output: set {given[0]} to null")
        elif self.model is None:
            example = {"transformers": "facebook/wav2vec2-xls-r-2b", "torchaudio": "WAV2VEC2_XLSR_2B"}
            raise ValueError(f"kind {self.kind} needs model, for example {example[self.kind]}")
        if len({self.layer, *self.extra_layers}) <= len(self.extra_layers):
            raise ValueError(f"extra_layers: every layer once, and not layer itself, got {self.extra_layers}")
        return self


class EmbedParams(_Section):
    """How embeddings are computed on this machine; none of it changes what they are."""

    batch_size: Count | None
    workers: Count | None
    cache: Path | None
    launcher: Annotated[str, Field(min_length=1)]


class SourceParams(_Section):
    """Domains by a column of the manifest."""

    column: Literal["source", "category"]


class KmeansParams(_Section):
    """Domains by clusters of pooled embeddings."""

    k: Annotated[Int, Field(ge=2)]
    seed: Seed
    layer: Layer | None
    average_over: Literal["frames", "channels"]


class RandomParams(_Section):
    """Domains by chance."""

    k: Annotated[Int, Field(ge=2)] | None
    seed: Seed
    balanced: bool


class TrainParams(_Section):
    """The training loop, the same for every strategy."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    standardise: bool
    optimiser: Literal["adam", "adamw"]
    gradient_clip: Positive | None
    reversal: Literal["one", "lambda"]
    checkpoint: Literal["validation_loss", "validation_srcc"]
    shared_order: bool


class FinetuneStrategyParams(_Section):
    """What the adversaries of a strategy read, and how much they weigh; of fine-tuning it is the whole recipe."""

    domains: DomainRule
    lambda_: Lambda

    @model_validator(mode="after")
    def _check_lambda(self) -> Self:
        if len(self.lambda_) != len(self.branches):
            raise ValueError(
                f"lambda: domains {self.domains} need {len(self.branches)}, one for "
                f"{' and one for '.join(self.branches)}; got {list(self.lambda_)}"
            )
        return self

    @property
    def branches(self) -> tuple[str, ...]:
        """The rules whose domains an adversary each reads."""
        return BRANCHES.get(self.domains, (self.domains,))

    @property
    def adversarial(self) -> bool:
        """Whether any gradient flows back from a domain classifier."""
        return any(value > 0 for value in self.lambda_)


class StrategyParams(FinetuneStrategyParams):
    """One training recipe: what an entry does not name is as in the paper's baseline."""

    dropout: Annotated[Float, Field(ge=0, lt=1)]
    l2: NotNegative
    head: Literal["multigauss", "drasp", "aesa", "aspect_groups"] = "multigauss"
    groups: list[list[Name]] = []
    loss: Literal["gaussian_nll", "gaussian_nll_floored", "squared_error", "qamro"] = "gaussian_nll"
    triplet: NotNegative = 0.0
    warm_up: bool = False
    score_bins: Count = 1
    label_smoothing: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    invariance: Literal["none", "coral", "group_dro", "v_rex"] = "none"
    invariance_weight: NotNegative = 0.0
    mixup: NotNegative = 0.0
    average: Annotated[Float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.head == "aspect_groups") != bool(self.groups):
            raise ValueError(
                f"groups: lists of aspects are for head aspect_groups, which needs them; got {self.groups} with "
                f"head {self.head}"
            )
        if self.groups and len(self.groups) != len(self.branches):
            raise ValueError(
                f"groups: one for each adversary ({', '.join(self.branches)}) is expected, got {len(self.groups)}"
            )
        if (self.invariance == "none") != (self.invariance_weight == 0):
            raise ValueError(
                f"invariance_weight: above 0 with an invariance and 0 without, got {self.invariance_weight:g} with "
                f"{self.invariance}"
            )
        return self


class PublishedParams(_Section):
    """A published predictor that is scored as it is."""

    model: str
    revision: str | None = None


class FinetuneParams(_Section):
    """The second backbone, whose encoder is trained too."""

    strategies: dict[Name, FinetuneStrategyParams]
    baselines: list[str]
    published: dict[Name, PublishedParams]
    encoder: str
    revision: str | None
    mlp_layers: Count
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    gradient_checkpointing: bool
    at_once: Count | None
    launcher: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.baselines:
            if name not in self.strategies:
                raise ValueError(
                    f"baselines: unknown strategy '{name}'{nearest(name, self.strategies)} Expected are some of "
                    f"finetune.strategies: {', '.join(self.strategies) or 'there are none'}"
                )
        if len(set(self.baselines)) < len(self.baselines):
            raise ValueError(f"baselines: no value twice, got {self.baselines}")
        return self


class EvaluateParams(_Section):
    """The comparison of all strategies."""

    baseline: str
    references: list[Literal["mean", "ridge", "svr"]]


class GranularityParams(_Section):
    """The ablation of the number of domains."""

    strategies: list[str]
    k: list[Annotated[Int, Field(ge=2)]]


class UmapParams(_Section):
    """Pictures of h."""

    strategies: Annotated[list[str], Field(min_length=1)]
    neighbors: Annotated[Int, Field(ge=2)]
    seed: Seed


class Params(_Section):
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
    leave_out: list[str]
    combinations: dict[Name, Annotated[list[str], Field(min_length=1)]]
    umap: UmapParams
    finetune: FinetuneParams

    @property
    def trained(self) -> list[str]:
        """Names of the strategies of both backbones."""
        return [*self.strategies, *self.finetune.strategies]

    @property
    def untrained(self) -> list[str]:
        """Names of the predictors beside them: published ones and references."""
        return [*self.finetune.published, *self.evaluate.references]

    @property
    def compared(self) -> list[str]:
        """Names of all that is compared, each once."""
        return [*self.strategies, *self.combinations, *self.finetune.strategies, *self.untrained]

    @property
    def compared_against(self) -> list[str]:
        """Names of those that others are tested against: baselines, and the controls with random domains."""
        controls = [name for name, one in self.strategies.items() if one.domains == "random" and one.adversarial]
        return list(dict.fromkeys([self.evaluate.baseline, *controls, *self.finetune.baselines]))

    @property
    def rivals_of(self) -> dict[str, list[str]]:
        """Who is tested against a second backbone's baseline: its own strategies. All others: everything."""
        return {name: list(self.finetune.strategies) for name in self.finetune.baselines}

    @model_validator(mode="after")
    def _check(self) -> Self:
        references = self.evaluate.references
        for key, values in (
            ("seeds", self.seeds),
            ("evaluate.references", references),
            ("granularity.strategies", self.granularity.strategies),
            ("granularity.k", self.granularity.k),
            ("leave_out", self.leave_out),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"{key}: no value twice, got {values}")
        if taken := set(references) & set(self.strategies):
            raise ValueError(
                f"strategies: {', '.join(sorted(taken))} is the name of a reference (evaluate.references); rename "
                "the strategy or leave the reference out"
            )
        if twice := set(self.combinations) & {*references, *self.strategies}:
            raise ValueError(f"combinations: {', '.join(sorted(twice))} is the name of a strategy or reference")
        for key, entries in (
            ("finetune.strategies", list(self.finetune.strategies)),
            ("finetune.published", list(self.finetune.published)),
        ):
            if doubled := [name for name in entries if self.compared.count(name) > 1]:
                raise ValueError(
                    f"{key}: {', '.join(doubled)} is the name of something else that is compared; every row of the "
                    "tables needs a name of its own"
                )
        for key, names in (
            ("evaluate.baseline", [self.evaluate.baseline]),
            ("granularity.strategies", self.granularity.strategies),
            ("umap.strategies", self.umap.strategies),
            ("leave_out", self.leave_out),
        ):
            for name in names:
                if name not in self.strategies:
                    raise ValueError(
                        f"{key}: unknown strategy '{name}'{nearest(name, self.strategies)} "
                        f"Expected one of: {', '.join(self.strategies)}"
                    )
        for combination, names in self.combinations.items():
            if missing := [name for name in names if name not in self.leave_out]:
                raise ValueError(
                    f"combinations.{combination}: {missing[0]} has to be in leave_out too, for its error on "
                    f"sources left out; leave_out is {self.leave_out}"
                )
        for name, strategy in self.strategies.items():
            routed = sorted(aspect for group in strategy.groups for aspect in group)
            if strategy.groups and routed != sorted(self.data.aspects):
                raise ValueError(
                    f"strategies.{name}.groups: every one of data.aspects {self.data.aspects} once is expected, "
                    f"got {strategy.groups}"
                )
        for name in self.granularity.strategies:
            if (rule := self.strategies[name].domains) not in NUMBERED:
                raise ValueError(
                    f"granularity.strategies: the domains of '{name}' are '{rule}', whose number is given; "
                    f"strategies with domains {', '.join(NUMBERED)} are expected"
                )
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``path``.

    Raises `DatmosError` with one line for every key that is wrong.
    """
    if not path.is_file():
        raise DatmosError(f"{path}: no such file (looked in {Path.cwd()}); run this in the project's folder")
    return check_params(path.read_text(encoding="utf-8"), str(path))


def check_params(text: str, name: str) -> Params:
    """Read params from YAML; errors call it ``name``.

    Raises `DatmosError` with one line for every key that is wrong.
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DatmosError(f"{name}: not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise DatmosError(f"{name}: a mapping of settings is expected, found {type(raw).__name__}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(problem, raw) for problem in error.errors()]
        raise DatmosError(f"{name} is not valid:\n  " + "\n  ".join(lines)) from None


def _explain(problem: Any, raw: Any) -> str:
    """Turn one pydantic error into a line: key, value found, what is expected, nearest name."""
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path) or "(top level)"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        return (
            f"{key}: unknown key (value {problem['input']!r}){nearest(path[-1], known)} "
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
            str(problem["input"]),
            problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "),
        )
        if problem["type"] == "literal_error"
        else ""
    )
    return f"{key}: {message}, got {problem['input']!r}{hint}"


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
