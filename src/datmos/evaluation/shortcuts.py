"""Does a predictor hear quality, or where a clip comes from? Metrics of the shortcut itself.

Two kinds. For any dataset: how much of the error goes with the category or source of a clip. For datasets with a
counterfactual split, the same content under the signatures (microphone, room, timbre) of several sources: how far
the prediction moves when nothing but the signature does. A predictor without a shortcut scores 0 on all of them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

TOO_SMALL = 1e-6  # rating points: what varies less (RMS) is float noise


def error_eta2(error: np.ndarray, groups: Sequence[str]) -> float:
    """Share of the variance of the signed error (N,) that its group explains: 0 none, 1 all of it.

    Corrected for chance (epsilon squared, Kelley 1935): ``1 - (SSW / (N - G)) / (SST / (N - 1))``. The plain ratio
    would be (G - 1) / (N - 1) on average for errors that have nothing to do with G groups; this is 0 on average,
    and therefore a little below 0 half the time. An error without any variance scores 0.

    NaN if every clip is its own group, or all are one.
    """
    error, codes = np.asarray(error, np.float64), _codes(groups)
    return _share(_centred(error, np.zeros_like(codes)), _centred(error, codes), codes, slopes=0)


def error_eta2_given_score(predicted: np.ndarray, actual: np.ndarray, groups: Sequence[str]) -> float:
    """Like `error_eta2`, of what is left of the error once the score itself has explained its part.

    A predictor that errs towards the mean, as every regression does, overrates all clips of a bad system and
    underrates all of a good one: `error_eta2` counts that as an effect of the system. Here the error is regressed
    on the score, without and with the groups (analysis of covariance, partial epsilon squared), so that what counts
    is how predictions of clips with the *same* score differ between groups. A predictor that knows the group and
    nothing else scores 1, one that only shrinks scores 0.

    ``predicted`` and ``actual`` have shape (N,).
    """
    score, codes = np.asarray(actual, np.float64), _codes(groups)
    error = np.asarray(predicted, np.float64) - score
    one = np.zeros_like(codes)
    without, with_groups = (_residual(_centred(error, c), _centred(score, c)) for c in (one, codes))
    return _share(without, with_groups, codes, slopes=1)


def _codes(groups: Sequence[str]) -> np.ndarray:
    return pd.factorize(np.asarray(groups, dtype=object))[0]


def _centred(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return values - (np.bincount(codes, values) / np.bincount(codes))[codes]


def _residual(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What is left of ``y`` (N,) after a line through the origin in ``x`` (N,)."""
    spread = float(x @ x)
    return y - x * (float(x @ y) / spread) if spread > 0 else y


def _share(without: np.ndarray, with_groups: np.ndarray, codes: np.ndarray, slopes: int) -> float:
    """Epsilon squared from the residuals of two models, without and with groups, both with ``slopes`` slopes."""
    n, groups = len(codes), int(codes.max()) + 1
    if groups == 1 or n - groups - slopes <= 0:
        return float("nan")
    if np.sqrt(np.mean(without**2)) < TOO_SMALL:
        return 0.0
    unexplained = float(with_groups @ with_groups) / (n - groups - slopes)
    return 1 - unexplained / (float(without @ without) / (n - 1 - slopes))


def signature_sensitivity(predictions: np.ndarray) -> tuple[float, float]:
    """How far predictions move with the signature alone.

    ``predictions`` has shape (bases, signatures): the same content along a row. Returns the spread in rating
    points (the SD, ddof 1, along a row; mean over rows), and its ratio to the spread over content (the SD, ddof 1,
    of the row means). A predictor that ignores signatures has 0 and 0; one that hears nothing else has a large
    ratio. The ratio is NaN for fewer than two bases or if content makes no difference at all; no bases, both NaN.
    """
    predictions = np.asarray(predictions, np.float64)
    if not len(predictions):
        return float("nan"), float("nan")
    spread = float(predictions.std(axis=1, ddof=1).mean())
    content = float(predictions.mean(axis=1).std(ddof=1)) if len(predictions) > 1 else 0.0
    return spread, spread / content if content > TOO_SMALL else float("nan")


def signature_offsets(predictions: pd.DataFrame) -> pd.Series:
    """Mean over bases of a prediction under each signature minus the mean over all signatures, in rating points.

    ``predictions`` has a row a base and a column a signature (the source's name); a predictor that learned that a
    source sounds good has a positive offset there.
    """
    return predictions.sub(predictions.mean(axis=1), axis=0).mean()


def shortcut_slope(offsets: pd.Series, train_means: pd.Series) -> float:
    """Slope of the least-squares line of signature offsets on the sources' mean train scores.

    Both are indexed by source. 1: under a source's signature predictions move by as much as the source's clips
    score above the others, the whole planted (or found) correlation has been learned; 0: none of it. Where train
    means hardly differ there is nothing to learn and the slope says nothing. NaN for fewer than three sources.
    """
    common = offsets.index.intersection(train_means.index)
    if len(common) < 3:
        return float("nan")
    x, y = (series[common].to_numpy(np.float64) for series in (train_means, offsets))
    x = x - x.mean()
    return float(x @ y / (x @ x)) if np.ptp(x) > TOO_SMALL else float("nan")


def error_shares(predicted: pd.DataFrame, actual: pd.Series, clips: pd.DataFrame) -> pd.DataFrame:
    """`error_eta2` and `error_eta2_given_score` by category and by source: a row each, a column a predictor.

    ``predicted`` has a row a clip and a column a predictor; ``actual`` and ``clips`` have the same rows.
    """
    scores = actual.to_numpy(np.float64)
    rows = {}
    for group in ("category", "source"):
        names = list(clips[group])
        rows[f"error_eta2_{group}"] = [error_eta2(values - scores, names) for values in predicted.to_numpy().T]
        rows[f"error_eta2_{group}_given_score"] = [
            error_eta2_given_score(values, scores, names) for values in predicted.to_numpy().T
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=predicted.columns)


def signature_effects(
    predicted: pd.DataFrame, clips: pd.DataFrame, train_means: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the signature alone does: sensitivity, its ratio and the shortcut slope; and the offset by source.

    ``predicted`` has a row a counterfactual clip and a column a predictor, ``clips`` the same rows with base and
    source. A base without all sources is left out; if that leaves none, everything is NaN. Both tables have a
    column a predictor.
    """
    rows, offsets = {}, {}
    for column in predicted.columns:
        table = pd.DataFrame({"base": clips["base"], "source": clips["source"], "score": predicted[column]})
        table = table.pivot(index="base", columns="source", values="score").dropna()
        spread, ratio = signature_sensitivity(table.to_numpy())
        offsets[column] = signature_offsets(table)
        rows[column] = {
            "signature_sensitivity": spread,
            "signature_sensitivity_ratio": ratio,
            "shortcut_slope": shortcut_slope(offsets[column], train_means),
        }
    return pd.DataFrame(rows), pd.DataFrame(offsets)
