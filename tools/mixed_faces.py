"""Are mixed faces found, and which pair? Asked of faces whose votes split between two expressions.

    python tools/mixed_faces.py WEIGHTS --data ferplus_48.npz [--split valid] [--prior balanced]

No set with compound labels is free, so votes stand in for them: a face is *mixed* of a pair where each of its two
expressions has at least a quarter of the votes, *pure* where one of them has nine tenths. Of every pair: how well the
sum and the lesser of the two probabilities tell mixed from pure faces (AUC). Of the mixed faces: how often each score
names the right pair. Last: of the faces that a threshold on the lesser one names, how many are mixed of that pair, and
how many of the mixed it names. Intervals are 95 % bootstrap intervals over faces.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mien.core.compound import CompoundRule, Kind, compounds, lesser, pair_scores, places_of
from mien.data.ferplus import read_ferplus
from mien.evaluation.runs import open_run

MIXED, PURE = 0.25, 0.9
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
DRAWS, AT_ONCE, FEW = 500, 64, 8


def auc(mixed: np.ndarray, pure: np.ndarray) -> float:
    """Chance that a mixed face has the higher score than a pure one; ties count half."""
    higher = (mixed[:, None] > pure).mean() + 0.5 * (mixed[:, None] == pure).mean()
    return float(higher)


def interval(figure: Callable[[np.random.Generator], float]) -> str:
    rng = np.random.default_rng(0)
    low, high = np.quantile([figure(rng) for _ in range(DRAWS)], [0.025, 0.975])
    return f"{low:.2f} to {high:.2f}"


def auc_interval(mixed: np.ndarray, pure: np.ndarray) -> str:
    return interval(lambda rng: auc(rng.choice(mixed, len(mixed)), rng.choice(pure, len(pure))))


def share_interval(hits: np.ndarray) -> str:
    return interval(lambda rng: float(rng.choice(hits, len(hits)).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid", choices=("train", "valid"))
    parser.add_argument("--prior")
    parser.add_argument("--pairs", default="seven", choices=("seven", "twelve"))
    given = parser.parse_args()
    model = open_run(given.weights, "cpu", "torch", given.prior).model
    faces = read_ferplus(given.data, given.split, majority_only=False)
    images = np.broadcast_to(faces.images[:, None], (len(faces), 3, *faces.images.shape[1:]))
    parts = [model.probabilities(images[at : at + AT_ONCE, None]) for at in range(0, len(images), AT_ONCE)]
    said, labels, votes = np.concatenate(parts), model.record.labels.labels, faces.targets
    pairs = places_of(labels, given.pairs)
    total, least = pair_scores(said, labels, "sum", given.pairs), lesser(said, labels, given.pairs)
    mixed = lesser(votes, labels, given.pairs) >= MIXED
    print(f"{model.record.name}, prior {model.record.prior}, {len(faces)} faces with a vote of {given.split}\n")
    print("| pair | mixed | pure | AUC of the sum | AUC of the lesser |\n|---|---|---|---|---|")
    for place, (name, two) in enumerate(pairs.items()):
        pure = votes[:, two].max(1) >= PURE
        if (count := int(mixed[:, place].sum())) < FEW:
            print(f"| {name} | {count} | {pure.sum()} | too few | too few |")
            continue
        cells = []
        for score in (total, least):
            two_kinds = score[mixed[:, place], place], score[pure, place]
            cells.append(f"{auc(*two_kinds):.2f} ({auc_interval(*two_kinds)})")
        print(f"| {name} | {count} | {pure.sum()} | {cells[0]} | {cells[1]} |")
    one_pair = mixed.sum(1) == 1
    truth = mixed.argmax(1)
    kinds: tuple[Kind, ...] = ("sum", "above-chance", "weighed")
    scores = {kind: pair_scores(said, labels, kind, given.pairs) for kind in kinds} | {"lesser": least}
    print(f"\nRight pair of {len(pairs)}, {one_pair.sum()} faces that are mixed of one:")
    for name, score in scores.items():
        hits = (score.argmax(1) == truth)[one_pair]
        print(f"- {name}: {hits.mean():.2f} ({share_interval(hits)})")
    order = list(pairs)
    print("\n| least | named | of them mixed of that pair | of the mixed, named so |\n|---|---|---|---|")
    for threshold in THRESHOLDS:
        found = compounds(said, labels, CompoundRule("sum", threshold, given.pairs))
        named = np.array([-1 if one is None or one.name is None else order.index(one.name) for one in found])
        right = (named >= 0) & mixed[np.arange(len(named)), named]
        precision = right[named >= 0]
        shares = f"{precision.mean():.2f} ({share_interval(precision)})" if len(precision) else "none"
        print(f"| {threshold:.2f} | {(named >= 0).sum()} | {shares} | {right[mixed.any(1)].mean():.2f} |")


if __name__ == "__main__":
    main()
