"""Embed every clip of the manifest with the frozen encoder."""

from pathlib import Path

import pandas as pd

from datmos.device import pick_device
from datmos.embed import embed_clips
from datmos.encoders import load_encoder
from datmos.errors import run_stage
from datmos.params import load_params


def main() -> None:
    """Write data/embeddings/."""
    params = load_params()
    device = pick_device()
    encoder = load_encoder(params.encoder, device)
    manifest = pd.read_parquet("data/manifest.parquet")
    folder = Path("data/embeddings")
    embed_clips(manifest, params.data.root, params.audio, encoder, params.encoder.batch_size, device, folder)


if __name__ == "__main__":
    run_stage(main)
