"""Does it help to abstain from faces unlike those a model learned from? Distances of features beside the confidence.

    python tools/distance.py MODEL --data ferplus_48.npz [--sets SET ...] [--pictures FOLDER ...]

Distances are measured from faces of the training split: to the nearest class' mean (Mahalanobis, one covariance within
the classes, shrunk by a tenth; Lee et al., arXiv 1807.03888) and to the ten nearest faces (cosine; Sun et al., arXiv
2204.06507). Judged on held-out faces, those spoilt, test splits of prepared SETs, and FOLDERs of labelled pictures
through the detector: the probability that a right answer scores above a wrong one, by each score alone; then of the
chance to be right, fitted on the confidence with and without distances on one half of everything, on the other half.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax

from mien.core.labels import canonical
from mien.data.manifest import Manifest
from mien.data.pictures import labelled_pictures
from mien.data.pixels import read_clip
from mien.evaluation.corruptions import CORRUPTIONS
from mien.evaluation.runs import open_data
from mien.evaluation.signal_metrics import auc
from mien.evaluation.world import SPOILT
from mien.faces.align import align
from mien.faces.detectors import make_detector
from mien.models.zoo import LoadedModel, load_model

FITTED, JUDGED, AT_ONCE, NEAREST, DRAWS = 4000, 800, 32, 10, 200


class Seen(NamedTuple):
    """Logits, features and whether the answer is right, of the faces of one set."""

    logits: np.ndarray
    features: np.ndarray
    labels: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Of every face."""
        return self.logits.argmax(1) == self.labels


@torch.inference_mode()
def look(model: LoadedModel, crops: list[np.ndarray], labels: list[str]) -> Seen:
    """What the network makes of single crops (3, s, s)."""
    known = [canonical(name) for name in model.record.labels.labels]
    network, answers = model.network, []
    for first in range(0, len(crops), AT_ONCE):
        frames = network.frames_of(torch.from_numpy(np.stack(crops[first : first + AT_ONCE])[:, None]).float() / 255)
        answers.append(network.net(frames, network.landmark_map(frames.flatten(0, 1))))
    logits, features = (np.concatenate([answer[part].double().numpy() for answer in answers]) for part in (0, 1))
    return Seen(logits, features, np.array([known.index(canonical(label)) for label in labels]))


def some(rows: Manifest, count: int) -> tuple[list[np.ndarray], list[str]]:
    """First frames and labels of so many rows, drawn once and for all."""
    chosen = [rows.rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:count]]
    return [read_clip(rows, row)[0] for row in chosen], [row.label for row in chosen]


def pictured(folder: Path, side: int) -> tuple[list[np.ndarray], list[str]]:
    """Aligned crops of the largest face of every labelled picture that has one."""
    detector, crops, labels = make_detector("mtcnn"), [], []
    for picture in labelled_pictures(folder):
        image = cv2.imread(str(picture.path))
        faces = [] if image is None else detector.detect(np.ascontiguousarray(image[..., ::-1]))
        if faces:
            face = max(faces, key=lambda one: one.size)
            crops.append(align(np.ascontiguousarray(image[..., ::-1]), face.points, side))
            labels.append(picture.label)
    return crops, labels


def judged(model: LoadedModel, given: argparse.Namespace) -> Iterator[tuple[str, Seen]]:
    """Every set that is judged, by name."""
    crops, labels = some(open_data(given.data).select("valid"), JUDGED)
    yield "held out", look(model, crops, labels)
    for name in SPOILT:
        yield name, look(model, [CORRUPTIONS[name](one[None], n)[0] for n, one in enumerate(crops)], labels)
    for folder in given.sets:
        yield folder.name, look(model, *some(open_data(folder).select("test"), JUDGED))
    for folder in given.pictures:
        yield folder.name, look(model, *pictured(folder, model.record.preprocessing.crop_size))


def distances(known: Seen, classes: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """How like the known faces others are, more being nearer, by name."""
    means = np.stack([known.features[known.labels == one].mean(0) for one in range(classes)])
    within = np.cov((known.features - means[known.labels]).T)
    within = 0.9 * within + 0.1 * np.trace(within) / len(within) * np.eye(len(within))
    inverse, unit = np.linalg.inv(within), known.features / np.linalg.norm(known.features, axis=1, keepdims=True)

    def to_class(asked: np.ndarray) -> np.ndarray:
        return -np.stack([np.einsum("nd,de,ne->n", asked - one, inverse, asked - one) for one in means]).min(0)

    def to_faces(asked: np.ndarray) -> np.ndarray:
        alike = asked / np.linalg.norm(asked, axis=1, keepdims=True) @ unit.T
        return np.sort(alike, 1)[:, -NEAREST:].mean(1)

    return {"class": to_class, "faces": to_faces}


def crossed(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Chance to be right by logistic regression on scores (n, k), of each half fitted on the other."""
    scaled = np.c_[(scores - scores.mean(0)) / scores.std(0), np.ones(len(scores))]
    half, chance = np.random.default_rng(1).permutation(len(right)) % 2, np.empty(len(right))
    for one in (0, 1):
        x, y = scaled[half != one], np.where(right[half != one], 1, -1)
        found = minimize(lambda w, x=x, y=y: np.logaddexp(0, -y * (x @ w)).mean() + 1e-4 * w @ w, np.zeros(x.shape[1]))
        chance[half == one] = expit(scaled[half == one] @ found.x)
    return chance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True, help="the FERPlus .npz")
    parser.add_argument("--sets", type=Path, nargs="*", default=[], help="prepared sets")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="folders of labelled pictures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(given.model)
    ways = distances(look(model, *some(open_data(given.data).select("train"), FITTED)), len(model.record.labels))
    reading = model.record.readings[model.record.prior]
    names, parts, right = [], [], []
    print(f"| faces | n | right | confidence | {' | '.join(ways)} |\n" + "|---" * (4 + len(ways)) + "|")
    for name, seen in judged(model, given):
        sure = softmax(seen.logits / reading.temperature + np.asarray(reading.shift), axis=1).max(1)
        scores = np.stack([logit(sure.clip(1e-9, 1 - 1e-9)), *(way(seen.features) for way in ways.values())], 1)
        cells = [f"{auc(column, seen.right):.3f}" for column in scores.T]
        print(f"| {name} | {len(scores)} | {seen.right.mean():.3f} | {' | '.join(cells)} |", flush=True)
        names += [name] * len(scores)
        parts.append(scores)
        right.append(seen.right)
    scores, known, where = np.concatenate(parts), np.concatenate(right), np.array(names)
    alone, beside = crossed(scores[:, :1], known), crossed(scores, known)
    rng, gains = np.random.default_rng(2), []
    for _ in range(DRAWS):
        drawn = rng.integers(len(known), size=len(known))
        gains.append(auc(beside[drawn], known[drawn]) - auc(alone[drawn], known[drawn]))
    low, high = np.quantile(gains, [0.025, 0.975])
    print(f"\nall together: by confidence {auc(alone, known):.4f}, with distances {auc(beside, known):.4f}", end="")
    print(f" ({auc(beside, known) - auc(alone, known):+.4f}, 95 % {low:+.4f} to {high:+.4f})")
    for name in dict.fromkeys(names):
        one = where == name
        print(f"  {name}: {auc(alone[one], known[one]):.3f}, {auc(beside[one], known[one]):.3f}")


if __name__ == "__main__":
    main()
