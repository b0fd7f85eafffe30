"""Picture h of one strategy's first seed, by source and by score: `python stages/umap_plot.py dat_source`."""

import sys

import pandas as pd

from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_parquet
from datmos.core.places import EMBEDDINGS, MANIFEST, MODELS, PLOTS, UMAP
from datmos.core.store import EmbeddingStore
from datmos.heads.predict import features_of_clips
from datmos.heads.saved import load_models
from datmos.params.schema import load_params
from datmos.report.figures.umap import draw_embedding, umap_coordinates


def main() -> None:
    """Write data/umap/<strategy>.parquet and plots/umap/<strategy>.png."""
    name = sys.argv[1]
    params = load_params()
    manifest = pd.read_parquet(MANIFEST)
    clips = manifest[manifest["split"] == "train"]
    models = load_models(MODELS / name)
    store = EmbeddingStore(EMBEDDINGS)
    h = features_of_clips(models, store, list(clips["clip_id"]), pick_device())[min(models.seeds)]
    coordinates = umap_coordinates(h, params.umap.neighbors, params.umap.seed)
    table = pd.DataFrame({"clip_id": clips["clip_id"].to_numpy(), "x": coordinates[:, 0], "y": coordinates[:, 1]})
    write_parquet(UMAP / f"{name}.parquet", table)
    aspect = params.data.aspects[0]
    draw_embedding(
        coordinates,
        list(clips["source"]),
        clips[aspect].to_numpy(),
        aspect,
        title=f"h of {name}, train clips",
        path=PLOTS / f"umap/{name}.png",
    )


if __name__ == "__main__":
    run_stage(main)
