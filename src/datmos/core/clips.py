"""The clips of a study: rows of a manifest, as all stages read them."""

import numpy as np
import pandas as pd

SPLITS = ("train", "valid", "eval")
COUNTERFACTUAL = "counterfactual"  # optional split: the same content (base) under the signatures of several sources


def natural_clips(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that models learn from: the splits train and valid."""
    return manifest[manifest["split"].isin(["train", "valid"])]


def predicted_clips(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that every predictor predicts: all but those it learned from."""
    return manifest[manifest["split"].isin(["valid", "eval", COUNTERFACTUAL])]


def single_ratings(clips: pd.DataFrame, aspect: str) -> np.ndarray | None:
    """Return the single ratings of clips, shape (N, J), or None if some lack them or their numbers differ."""
    single = clips.get(f"{aspect}_ratings")
    if single is None or not len(single) or single.isna().any() or single.map(len).nunique() > 1:
        return None
    return np.stack(list(single)).astype(np.float64)
