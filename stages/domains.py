"""Label the train clips with domains by one rule: `python stages/domains.py kmeans`."""

import sys

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.files import write_metrics, write_parquet
from datmos.core.places import DOMAINS, EMBEDDINGS, MANIFEST, METRICS
from datmos.core.store import EmbeddingStore
from datmos.domains.rules import label_domains
from datmos.params.schema import load_params


def main() -> None:
    """Write data/domains/<rule>.parquet and metrics/domains/<rule>.json."""
    rule = sys.argv[1]
    params = load_params()
    manifest = pd.read_parquet(MANIFEST)
    train_clips = manifest[manifest["split"] == "train"]
    store = EmbeddingStore(EMBEDDINGS)
    labels, summary = label_domains(rule, train_clips, store, params.domains)
    write_parquet(DOMAINS / f"{rule}.parquet", labels)
    write_metrics(METRICS / f"domains/{rule}.json", summary)


if __name__ == "__main__":
    run_stage(main)
