"""Embed every clip of the manifest with the frozen encoder.

`accelerate launch stages/embed.py` shares the clips among processes; the result is the same.
"""

from pathlib import Path

import pandas as pd

from datmos.clip_encoder import plan_work
from datmos.embed import embed_clips
from datmos.encoders.registry import find_encoder
from datmos.errors import run_stage
from datmos.params import load_params
from datmos.processes import join_processes


def main() -> None:
    """Write data/embeddings/."""
    params = load_params()
    processes = join_processes()
    embed_clips(
        manifest=pd.read_parquet("data/manifest.parquet"),
        root=params.data.root,
        audio=params.audio,
        encoder=find_encoder(params.encoder, params.kmeans.layer, processes.device),
        cache_folder=params.embed.cache,
        plan=plan_work(params.embed, processes),
        folder=Path("data/embeddings"),
        processes=processes,
    )


if __name__ == "__main__":
    run_stage(main)
