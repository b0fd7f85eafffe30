"""What embeddings of several encoders tell of a rating: the same clips, predictors and settings.

    python benchmarks/encoders.py ../shared/field LQO --encoder distillmos --encoder aisfx
    python benchmarks/encoders.py ../shared/field LQO --encoder distillmos --encoder transformers:FOLDER:2

ROOT is a folder with ratings.csv and audio (docs/use-your-own-ratings.md). An encoder is KIND[:MODEL[:LAYER]]. The
predictors are the references ridge and svr, and the baseline strategy of params.yaml, the mean of its seeds. They
learn from the train clips and predict the eval clips.

The table has SRCC over all eval clips, and within a system, mean over systems; and the difference from the first
encoder with a 95% interval: systems are drawn again, each with all its clips.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.stats import spearmanr

from datmos.ablations.trial import train_trials
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv
from datmos.core.processes import ALONE
from datmos.core.seeding import derive_seed
from datmos.core.store import EmbeddingStore
from datmos.datasets.manifest import build_manifest
from datmos.datasets.ratings import read_ratings_file
from datmos.embedding.clip_encoder import plan_work
from datmos.embedding.embed import choose_encoder, embed_clips
from datmos.embedding.settings import EncoderParams
from datmos.evaluation.references import predict_reference
from datmos.heads.predict import predict_clips
from datmos.params.schema import Params
from datmos.training.train import Study

CACHE = Path(".cache/encoders")
DRAWS = 2000
MEASURES = ("all clips", "within a system")


def embed(params: Params, manifest: pd.DataFrame, text: str) -> EmbeddingStore:
    """Embed the clips with the encoder that ``text`` names, once."""
    kind, model, layer = [*text.split(":"), "", ""][:3]
    encoder = EncoderParams.model_validate(
        params.encoder.model_dump()
        | {"kind": kind, "model": model or None, "layer": int(layer) if layer else None, "revision": None}
    )
    folder = CACHE / text.replace("/", "_")
    chosen = choose_encoder(manifest, params.data.root, params.audio, encoder, None)
    plan = plan_work(params.embed, ALONE)
    embed_clips(manifest, params.data.root, params.audio, chosen, CACHE / "clips", plan, folder, frames=False)
    return EmbeddingStore(folder)


def predict(params: Params, manifest: pd.DataFrame, store: EmbeddingStore) -> dict[str, np.ndarray]:
    """Predict the eval clips, (N,) in the manifest's order, with every predictor."""
    (aspect,) = params.data.aspects
    wanted = list(manifest.loc[manifest["split"] == "eval", "clip_id"])
    found = {
        name: predict_reference(name, store, manifest, wanted, [aspect], [0])[aspect].to_numpy()
        for name in ("ridge", "svr")
    }
    study = Study(manifest, store, [aspect], params.data.scale, params.train, params.seeds)
    name = params.evaluate.baseline
    (models,) = train_trials(study, name, params.strategies[name], [params.domains])
    every_seed = predict_clips(models, store, wanted, pick_device())
    return found | {name: every_seed.groupby("clip_id")[aspect].mean().loc[wanted].to_numpy()}


def compare(ours: np.ndarray, first: np.ndarray, actual: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Measures of ours, difference from the first's, and the ends of its interval: (4, measures)."""
    systems = [np.flatnonzero(names == name) for name in np.unique(names)]
    both = np.stack([ours, first], axis=1)
    within = np.array([srcc(both[own], actual[own]) for own in systems])  # (systems, 2)

    def measures(drawn: np.ndarray) -> np.ndarray:
        places = np.concatenate([systems[number] for number in drawn])
        return np.array([srcc(both[places], actual[places]), within[drawn].mean(axis=0)])  # (measures, 2)

    generator = np.random.default_rng(derive_seed("encoders"))
    draws = generator.integers(len(systems), size=(DRAWS, len(systems)))
    differences = [-np.diff(measures(drawn)).squeeze(1) for drawn in draws]
    whole = measures(np.arange(len(systems)))
    return np.array([whole[:, 0], whole[:, 0] - whole[:, 1], *np.quantile(differences, [0.025, 0.975], axis=0)])


def srcc(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each column of predictions (N, columns) with ratings (N,)."""
    return np.array([spearmanr(column, actual).statistic for column in predicted.T])


def short(text: str) -> str:
    """Name an encoder without the place of its folder: "whisper 2" of transformers:/some/whisper:2."""
    kind, *rest = text.split(":")
    return " ".join([Path(rest[0]).name, *rest[1:]]) if rest else kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("aspect")
    parser.add_argument(
        "--encoder", action="append", required=True, help="KIND[:MODEL[:LAYER]]; the first: of all others"
    )
    parser.add_argument("--scale", type=float, nargs=2, default=[1.0, 5.0])
    parser.add_argument("--out", type=Path, help="CSV to write")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a clip")
    options = parser.parse_args()
    raw = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
    raw["data"] |= {
        "kind": "ratings", "root": str(options.root), "aspects": [options.aspect], "scale": options.scale,
    }  # fmt: skip
    raw["audio"]["clip_seconds"] = options.seconds
    raw["strategies"] = {name: own for name, own in raw["strategies"].items() if not own.get("spare")}
    params = Params.model_validate(raw)
    ratings = read_ratings_file(options.root, [options.aspect])
    manifest, excluded = build_manifest(ratings, options.root, params.audio, params.data.max_excluded)
    evaluated = manifest[manifest["split"] == "eval"]
    actual, systems = evaluated[options.aspect].to_numpy(np.float64), evaluated["system"].to_numpy()
    print(
        f"{len(manifest)} clips, {len(excluded)} bad; predicted: {len(evaluated)}, of {len(set(systems))} systems"
    )
    found = {text: predict(params, manifest, embed(params, manifest, text)) for text in options.encoder}
    first, rows = found[options.encoder[0]], []
    for text, predictions in found.items():
        for name, own in predictions.items():
            for measure, values in zip(MEASURES, compare(own, first[name], actual, systems).T, strict=True):
                of = {"encoder": short(text), "predictor": name, "measure": measure}
                rows.append(
                    of | dict(zip(("srcc", "difference", "low", "high"), values.round(3) + 0.0, strict=True))
                )
    table = pd.DataFrame(rows)
    print(table.to_string())
    if options.out is not None:
        write_csv(options.out, table)


if __name__ == "__main__":
    run_stage(main)
