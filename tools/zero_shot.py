"""How often does a head of text vectors name an expression that it never learned, by that expression's action units?

    python tools/zero_shot.py s2d-small --data ferplus_48.npz

For each class of FERPlus in turn a head learns the seven others on frozen features, every class as often, then gets the
vector of the eighth and answers validation faces among all eight. Beside it the same with the vectors dealt out by
chance before the head learns. Weights that learned the held-out class, as shipped ones did, have a feature that is not
new to it: the head alone is.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch

from mien.core.settings import thread_count
from mien.core.signals import Signal
from mien.data.datasets.ferplus import read_archive
from mien.models.find import find_weights
from mien.models.text_head import Text
from mien.models.texts import UNITS, Vocabulary, from_units
from mien.models.weights import load_weights
from mien.training.frozen import features
from mien.training.masked import class_loss

STEPS, BATCH, RATE, DECAY = 300, 128, 1e-2, 1e-2
Faces = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--items", type=int, default=4000, help="training faces, drawn by chance")
    parser.add_argument("--shuffles", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(thread_count())
    rows = read_archive(given.data)
    labels = rows.labels.labels
    train, valid = (
        asked(given.weights, rows.select(split), most) for split, most in (("train", given.items), ("valid", 0))
    )
    middle, spread = train[0].mean(0), train[0].std(0).clamp(min=1e-3)
    train, valid = (((feature - middle) / spread, wanted) for feature, wanted in (train, valid))
    words, rng = from_units(labels), np.random.default_rng(0)
    orders = [np.arange(len(labels)), *(rng.permutation(len(labels)) for _ in range(given.shuffles))]
    print("| held out | faces | named so, of eight (95 %) | by chance vectors: mean, most | p | recall of the others |")
    print("|---|---|---|---|---|---|")
    for place, label in enumerate(labels):
        found = [recalls(train, valid, words.vectors[order], place) for order in orders]
        own, chance = found[0][place], np.array([one[place] for one in found[1:]])
        count = int((valid[1] == place).sum())
        low, high = wilson(own, count)
        p = (1 + (chance >= own).sum()) / (1 + len(chance))
        print(
            f"| {label} | {count} | {own:.3f} ({low:.3f} to {high:.3f}) | {chance.mean():.3f}, {chance.max():.3f} "
            f"| {p:.2f} | {np.delete(found[0], place).mean():.3f} |",
            flush=True,
        )


def asked(weights: str, rows, most: int) -> Faces:
    """Features and classes of labelled faces; ``most``: of so many, 0: of all."""
    recognizer, record = load_weights(find_weights(weights))
    order = np.random.default_rng(0).permutation(len(rows))[: most or None]
    some = dataclasses.replace(rows, rows=tuple(rows.rows[place] for place in order))
    return features(recognizer, record, some, 1), torch.from_numpy(some.indices())


def recalls(train: Faces, valid: Faces, vectors: np.ndarray, held_out: int) -> np.ndarray:
    """Of every class, by a head that never saw one of them."""
    torch.manual_seed(0)
    kept = [place for place in range(len(vectors)) if place != held_out]
    head = head_of(vectors[kept], train[0].shape[1])
    adam = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    members = [torch.nonzero(train[1] == place)[:, 0] for place in kept]
    for _ in range(STEPS):
        drawn = torch.randint(len(kept), (BATCH,))
        rows = torch.stack([members[one][torch.randint(len(members[one]), ())] for one in drawn.tolist()])
        adam.zero_grad()
        class_loss(head(train[0][rows]), torch.eye(len(kept))[drawn]).backward()
        adam.step()
    whole = head_of(vectors, train[0].shape[1])
    whole.layer, whole.log_scale = head.layer, head.log_scale
    with torch.no_grad():
        said = whole(valid[0]).argmax(1)
    return np.array([(said[valid[1] == place] == place).float().mean().item() for place in range(len(vectors))])


def head_of(vectors: np.ndarray, dim: int) -> Text:
    """A fresh head with these vectors."""
    names = tuple(f"label{place}" for place in range(len(vectors)))
    words = Vocabulary(names, vectors, None, UNITS)
    head = Text(dim, Signal("words", names, "classes"), words.texts(names))
    head.take(words)
    return head


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    middle, reach = share + z * z / (2 * count), z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (middle - reach) / (1 + z * z / count), (middle + reach) / (1 + z * z / count)


if __name__ == "__main__":
    main()
