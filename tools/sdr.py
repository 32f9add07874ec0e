"""Features of a labelled set in two directions: those that tell the labels, beside those of the largest spread.

    python tools/sdr.py s2d-small --data ferplus_48.npz -o features.png
    python tools/sdr.py runs/mine --data prepared --by affect.valence -o features.png

Sliced inverse regression (Li, "Sliced Inverse Regression for Dimension Reduction", 1991): of whitened features the
directions in which their means over slices of what is known lie furthest apart; a slice is a class, or a tenth of the
ranks of a number, equal ones together. With classes these are the directions of linear discriminants. Beside it
principal components, which know nothing of labels. Directions are found on training items, the picture and the
figures are of held-out ones: the share of what is known that both coordinates tell, by the nearest centre (classes)
or by R^2 of a line (numbers).
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import eigh

from mien.core.errors import InputError
from mien.core.settings import thread_count
from mien.core.signals import columns
from mien.data.datasets.ferplus import read_archive
from mien.data.manifest import Manifest, load_manifest
from mien.data.splits import hold_out
from mien.models.find import find_weights
from mien.models.weights import load_weights
from mien.training.features import see

SLICES, LEAST = 10, 20
RIDGE = 1e-3
"""Of the features' mean variance, added to every direction's: few items leave directions without any."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--by", default="label", help="label, or a column of the set's signals, such as affect.valence")
    parser.add_argument("--items", type=int, default=2000, help="of each split, drawn by chance")
    parser.add_argument("-o", "--out", type=Path, default=Path("features.png"))
    given = parser.parse_args()
    if not given.out.parent.is_dir() or given.out.suffix[1:] not in plt.figure().canvas.get_supported_filetypes():
        parser.error(f"expected -o with a picture's name in a folder that is there, got {given.out}")
    if given.items < LEAST:
        parser.error(f"expected --items of at least {LEAST}, got {given.items}")
    thread_count()
    rows = read_archive(given.data) if given.data.suffix == ".npz" else load_manifest(given.data)
    rows = hold_out(rows, seed=0)
    recognizer, record = load_weights(find_weights(given.weights))
    parts = []
    for split in ("train", "valid"):
        items, values = known(rows.select(split), given.by, given.items)
        parts.append((see(recognizer.eval(), items).feature.astype(float), values))
    (learnt, values), (shown, truth) = parts
    classes = rows.labels.labels if given.by == "label" else ()
    found = {"inverse regression": sir(learnt, values, classes=bool(classes)), "principal components": pca(learnt)}
    for name, directions in found.items():
        seen = [feature @ directions for feature in (learnt, shown)]
        print(f"{name}: {told(*seen, values, truth, bool(classes)):.3f} of {len(truth)} held-out items of {rows.name}")
    draw({name: shown @ directions for name, directions in found.items()}, truth, classes, given.by, given.out)
    print(f"{given.out}: {record.name}")


def known(rows: Manifest, by: str, most: int) -> tuple[Manifest, np.ndarray]:
    """Items of which it is known, at most so many, and the numbers."""
    if by == "label":
        values = np.where(rows.indices() < 0, np.nan, rows.indices().astype(float))
    elif by in columns(rows.signals):
        values = rows.beside()[:, columns(rows.signals).index(by)].astype(float)
    else:
        names = ", ".join(("label", *columns(rows.signals)))
        raise SystemExit(f"expected --by one of {names}, got {by}")
    there = np.flatnonzero(np.isfinite(values))
    if len(there) < LEAST:
        raise SystemExit(f"expected at least {LEAST} items of every split with {by}, got {len(there)} in one")
    kept = np.sort(np.random.default_rng(0).permutation(there)[:most])
    return replace(rows, rows=tuple(rows.rows[place] for place in kept)), values[kept]


def sir(x: np.ndarray, values: np.ndarray, count: int = 2, classes: bool = False) -> np.ndarray:
    """The directions, (d, count), of unit spread.

    Args:
        x: features, (n, d).
        values: what is known of each item; a class each, or a number that is cut into slices of equally many items.
        count: how many.
        classes: whether values are classes.
    """
    slices = values if classes else np.searchsorted(np.sort(values), values) * SLICES // len(values)
    middle = x.mean(0)
    within = np.cov(x.T, ddof=0)
    within += RIDGE * np.trace(within) / len(within) * np.eye(len(within))
    between = np.zeros_like(within)
    for one in np.unique(slices):
        away = x[slices == one].mean(0) - middle
        between += (slices == one).mean() * np.outer(away, away)
    return eigh(between, within)[1][:, ::-1][:, :count]


def pca(x: np.ndarray, count: int = 2) -> np.ndarray:
    """The principal directions, (d, count)."""
    return np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:count].T


def told(learnt: np.ndarray, shown: np.ndarray, values: np.ndarray, truth: np.ndarray, classes: bool) -> float:
    """How much the coordinates tell of held-out items: accuracy of the nearest centre, or R^2 of a linear fit."""
    if classes:
        names = np.unique(values)
        spread = learnt.std(0)
        centres = np.stack([learnt[values == one].mean(0) for one in names])
        near = (((shown[:, None] - centres) / spread) ** 2).sum(2).argmin(1)
        return float((names[near] == truth).mean())
    fitted, *_ = np.linalg.lstsq(np.c_[learnt, np.ones(len(learnt))], values, rcond=None)
    missed = truth - np.c_[shown, np.ones(len(shown))] @ fitted
    return float(1 - missed.var() / truth.var())


def draw(seen: dict[str, np.ndarray], truth: np.ndarray, classes: Sequence[str], by: str, out: Path) -> None:
    """A panel a way, a dot an item."""
    figure, panels = plt.subplots(1, len(seen), figsize=(5 * len(seen), 4.4), layout="constrained")
    for panel, (name, points) in zip(panels, seen.items(), strict=True):
        if classes:
            for place in np.unique(truth).astype(int):
                some = points[truth == place]
                panel.scatter(*some.T, s=5, alpha=0.6, color=f"C{place}", label=classes[place])
        else:
            dots = panel.scatter(*points.T, s=5, alpha=0.6, c=truth)
        panel.set(title=name, xticks=[], yticks=[])
    if classes:
        panels[-1].legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        figure.colorbar(dots, ax=panels, label=by)
    figure.savefig(out, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from error
