"""Labels for faces nobody labelled, from clusters that a model agrees about: CluP (Conti et al., "Cluster-level
pseudo-labelling for source-free cross-domain facial expression recognition", BMVC 2022, arXiv 2210.05246).

Features of the new faces are clustered. A cluster takes the answer that most of its items have from the model, and its
purity is the share of them that have it; every item takes its cluster's label, and of each class the items of the
purest clusters are trusted. Ties go to the lowest class, and to the first item.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from mien.core.errors import ConfigError, DataError

MOST_CLUSTERS, ITEMS_A_CLUSTER = 1000, 20


class Clustered(NamedTuple):
    """What the clusters say of every item.

    Attributes:
        labels: class of the item's cluster.
        purity: of the item's cluster, in (0, 1].
        shares: of the classes among the model's answers in the item's cluster; rows sum to 1.
    """

    labels: Int64[np.ndarray, " n"]
    purity: Float64[np.ndarray, " n"]
    shares: Float64[np.ndarray, "n c"]


def lifted(features: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n e"]:
    """[feature, 1] of length 1 (e = d + 1): what is clustered, and compared by cosine."""
    whole = np.hstack([features.astype(np.float64), np.ones((len(features), 1))])
    unit: Float64[np.ndarray, "n e"] = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    return unit


def cluster(features: Float[np.ndarray, "n d"], count: int = 0, seed: int = 0) -> Int64[np.ndarray, " n"]:
    """The number of every item's cluster, by k-means on :func:`lifted` features.

    Args:
        features: of the items.
        count: of clusters; 0: one for every 20 items, 1,000 at most.
        seed: of where they begin (k-means++).

    Raises:
        ConfigError: more clusters than items.
        DataError: too few items, or features that are no numbers.
    """
    from scipy.cluster.vq import kmeans2

    items = len(features)
    if not np.isfinite(features).all():
        raise DataError("features that are numbers", "NaN or infinity", "make the features anew")
    if not count and items < 2 * ITEMS_A_CLUSTER:
        raise DataError(f"at least {2 * ITEMS_A_CLUSTER} faces", str(items), "add faces, or say --clusters")
    count = count or min(items // ITEMS_A_CLUSTER, MOST_CLUSTERS)
    if not 1 < count <= items:
        raise ConfigError(f"2 to {items} clusters of {items} faces", str(count), "change --clusters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster that stays empty labels nobody
        found: Int64[np.ndarray, " n"] = kmeans2(lifted(features), count, minit="++", seed=seed)[1].astype(np.int64)
    return found


def cluster_labels(clusters: Int64[np.ndarray, " n"], answers: Int64[np.ndarray, " n"], classes: int) -> Clustered:
    """What clusters say, see the module.

    Args:
        clusters: number of each item's, from 0.
        answers: the model's class of each item.
        classes: how many there are.
    """
    counts = np.zeros((int(clusters.max()) + 1, classes))
    np.add.at(counts, (clusters, answers), 1)
    shares = (counts / counts.sum(1, keepdims=True).clip(1))[clusters]
    return Clustered(shares.argmax(1).astype(np.int64), shares.max(1), shares)


def purest(labels: Int64[np.ndarray, " n"], purity: Float64[np.ndarray, " n"], share: float) -> Int64[np.ndarray, " k"]:
    """The items, in order, that are the purest ``share`` of their class; rounded down."""
    kept: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # Twelve digits: 0.29 * 100 is a little less than 29 in floating point.
        count = int(round(share * len(members), 12))
        kept += members[np.argsort(-purity[members], kind="stable")[:count]].tolist()
    return np.array(sorted(kept), np.int64)


def centroid_labels(
    features: Float[np.ndarray, "n d"], probabilities: Float[np.ndarray, "n c"], cycles: int = 1
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Labels by the nearest class centre c_k = sum p_ik f_i / sum p_ik of :func:`lifted` features (SHOT, Liang et al.,
    arXiv 2002.08546), which CluP is compared with.

    Args:
        features: of the items.
        probabilities: the model's, rows sum to 1.
        cycles: how often the centres are taken again, of the labels found.

    Returns:
        Labels, and the largest softmax of the cosines: hardly a probability, but it ranks.
    """
    unit, weights = lifted(features), probabilities.astype(np.float64)
    labels = np.zeros(len(unit), np.int64)
    for cycle in range(cycles + 1):
        if cycle:
            weights = np.eye(probabilities.shape[1])[labels]
        centres = weights.T @ unit / weights.sum(0)[:, None].clip(1e-12)
        cosines = unit @ (centres / np.linalg.norm(centres, axis=1, keepdims=True).clip(1e-12)).T
        labels = cosines.argmax(1).astype(np.int64)
    raised = np.exp(cosines)
    return labels, (raised / raised.sum(1, keepdims=True)).max(1)
