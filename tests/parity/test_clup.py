"""Pseudo-labels of clusters (CluP): the authors' labels, purities, shares, chosen items and nearest centres."""

from __future__ import annotations

import numpy as np
import pytest
from fills import official, uniform

from mien.core.errors import ConfigError, DataError
from mien.core.softmax import softmax
from mien.training.clusters import centroid_labels, cluster, cluster_labels, lifted, purest

FIGURES = official("clup")


@pytest.mark.parametrize("case", FIGURES["purity"], ids=lambda case: case["salt"])
def test_labels_purity_shares_and_chosen_items_are_the_authors(case: dict) -> None:
    salt, items, classes, count = (case[name] for name in ("salt", "items", "classes", "clusters"))
    answers = (6 * uniform(f"{salt}logits", (items, classes)) - 3).argmax(1)
    clusters = np.floor(uniform(f"{salt}clusters", (items,)) * count).astype(np.int64)
    clusters[:count] = np.arange(count)
    found = cluster_labels(clusters, answers, classes)
    assert found.labels.tolist() == case["pseudo_labels"]
    np.testing.assert_allclose(found.purity, case["purity"], atol=1e-6)
    np.testing.assert_allclose(found.shares[:5], case["soft_first5"], atol=1e-6)
    kept = purest(found.labels, found.purity, case["share"])
    for label, chosen in enumerate(case["chosen_per_class_where_purity_has_no_ties"]):
        ours = kept[found.labels[kept] == label]
        # Whose items are as pure as the last chosen one is nobody's rule: as many, and as pure.
        np.testing.assert_allclose(np.sort(found.purity[ours]), np.sort(found.purity[chosen]), atol=1e-6)
        above = found.purity > found.purity[chosen].min(initial=1.0)
        assert set(ours) & set(np.flatnonzero(above)) == set(chosen) & set(np.flatnonzero(above))


def test_nearest_centres_are_the_authors() -> None:
    case = FIGURES["centroid"]
    items, classes = case["items"], case["classes"]
    features = 2 * uniform(f"{case['salt']}embeddings", (items, case["dim"])) - 1
    probabilities = softmax(6 * uniform(f"{case['salt']}logits", (items, classes)) - 3)
    labels, confidence = centroid_labels(features, probabilities, 0)
    assert labels.tolist() == case["pseudo_labels_0_cycles"]
    np.testing.assert_allclose(confidence[:5], case["confidence_first5"], atol=1e-6)
    assert centroid_labels(features, probabilities)[0].tolist() == case["pseudo_labels_1_cycle"]


def test_clusters_are_found_whatever_the_length_of_the_features() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 4
    features = np.eye(4)[truth] * rng.uniform(2, 5, (200, 1)) + rng.normal(0, 0.05, (200, 4))
    found = cluster(features, 4)
    assert len(np.unique(found)) == 4
    assert all(len(np.unique(found[truth == one])) == 1 for one in range(4))
    np.testing.assert_allclose(np.linalg.norm(lifted(features), axis=1), 1)
    assert cluster(features).max() < 10
    np.testing.assert_array_equal(cluster(features, 7, seed=3), cluster(features, 7, seed=3))


def test_a_tie_goes_to_the_lowest_class_and_the_share_is_rounded_down() -> None:
    found = cluster_labels(np.zeros(4, np.int64), np.array([2, 1, 1, 2]), 3)
    assert found.labels.tolist() == [1] * 4
    assert purest(np.zeros(100, np.int64), np.linspace(1, 0.5, 100), 0.29).tolist() == list(range(29))


def test_what_cannot_be_clustered_is_refused() -> None:
    with pytest.raises(DataError, match="40 faces"):
        cluster(np.zeros((39, 2)))
    with pytest.raises(ConfigError, match="clusters"):
        cluster(np.zeros((50, 2)), 51)
    with pytest.raises(DataError, match="NaN"):
        cluster(np.full((50, 2), np.nan))
