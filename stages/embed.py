"""Embed every clip of the manifest with the frozen encoder.

`python stages/embed.py` for the dataset, `python stages/embed.py pam` for an evaluation set;
`accelerate launch stages/embed.py` shares the clips among processes, and the result is the same.
"""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.errors import run_stage, stage_item
from datmos.core.paths import SETS
from datmos.core.processes import join_processes
from datmos.embedding.clip_encoder import plan_work
from datmos.embedding.embed import choose_encoder, embed_clips
from datmos.params.schema import load_params


def main() -> None:
    """Write data/embeddings/, or data/sets/<set>/embeddings/."""
    params = load_params()
    root, folder = params.data.root, Path("data")
    if len(sys.argv) > 1:
        name = stage_item()
        root, folder = params.evaluation_sets[name].root, SETS / name
    processes = join_processes()
    manifest = pd.read_parquet(folder / "manifest.parquet")
    embed_clips(
        manifest=manifest,
        root=root,
        audio=params.audio,
        encoder=choose_encoder(manifest, root, params.audio, params.encoder, params.kmeans.layer, processes),
        cache_folder=params.embed.cache,
        plan=plan_work(params.embed, processes),
        folder=folder / "embeddings",
        frames=params.embed.frames,
        processes=processes,
    )


if __name__ == "__main__":
    run_stage(main)
