"""Label the train clips with domains by every rule."""

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.files import write_metrics, write_parquet
from datmos.core.paths import DETAILS, DOMAINS, EMBEDDINGS, MANIFEST
from datmos.core.store import EmbeddingStore
from datmos.domains.rules import clip_points, label_points
from datmos.domains.settings import RULES
from datmos.params.schema import load_params


def main() -> None:
    """Write data/domains/<rule>.parquet and data/details/domains.json."""
    params, manifest, store = load_params(), pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS)
    train_clips = manifest[manifest["split"] == "train"]
    points = clip_points(train_clips, store, params.domains)
    found = label_points(RULES, train_clips, points, params.domains)
    for rule, (labels, _) in found.items():
        write_parquet(DOMAINS / f"{rule}.parquet", labels)
    write_metrics(DETAILS / "domains.json", {rule: summary for rule, (_, summary) in found.items()})


if __name__ == "__main__":
    run_stage(main)
