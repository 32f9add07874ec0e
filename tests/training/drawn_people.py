"""Single pictures of drawn people whom several pictures show: who it is and what the face shows are both known."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from mien.core.labels import LabelSpace
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.data.manifest import Manifest, Row, Split
from mien.data.synthetic import SHOWN
from mien.models.cnn import Cnn, CnnConfig
from mien.models.record import ModelRecord, Preprocessing
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import load_model

SPACE = LabelSpace("drawn", tuple(SHOWN))
CLASSES = len(SPACE)


class Pictures(NamedTuple):
    """RGB (n, 3, s, s), class, person and drawn movements (n, 5) of each."""

    images: np.ndarray
    labels: np.ndarray
    people: np.ndarray
    shown: np.ndarray


def draw_people(shares: np.ndarray, each: int, size: int, seed: int, strength: tuple[float, float]) -> Pictures:
    """``each`` pictures of every person.

    Args:
        shares: of each expression among a person's pictures, (people, classes).
        each: pictures of a person.
        size: side, pixels.
        seed: of people, poses and noise.
        strength: of the expressions, least and largest.
    """
    parts = []
    for number, share in enumerate(shares):
        rng = np.random.default_rng([seed, number])
        person, habit = draw_person(rng), rng.normal(0, 1, 5) * np.array([0.08, 0.0, 0.12, 0.08, 0.12])
        labels = rng.choice(CLASSES, each, p=share)
        shown = np.array(list(SHOWN.values()))[labels] * rng.uniform(*strength, (each, 1)) + habit
        pose = Pose(*(rng.normal(middle, 0.012, each) for middle in (0.5, 0.5, 0.0, 0.33)))
        images = draw_frames(person, Expression(*shown.T), pose, size) + rng.normal(0, 4, (each, 3, size, size))
        parts.append((np.clip(images, 0, 255).astype(np.uint8), labels, np.full(each, number), shown))
    return Pictures(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def elsewhere(images: np.ndarray, seed: int, side: float = 0.5) -> np.ndarray:
    """The same under a lamp at the side, taken by a camera with another tone curve and colours, and noise."""
    rng, size = np.random.default_rng(seed), images.shape[-1]
    across = np.linspace(0, 1, size)
    lit = images / 255 * (1 - side + rng.uniform(1.2, 1.6, (len(images), 1, 1, 1)) * side * across)
    seen = np.clip(lit, 0, 1) ** 1.4 * np.array([1.1, 0.9, 0.75])[:, None, None] + rng.normal(0, 0.03, images.shape)
    return (np.clip(seen, 0, 1) * 255).astype(np.uint8)


def as_set(folder: Path, pictures: Pictures, splits: np.ndarray | str = "train", named: bool = True) -> Manifest:
    """A prepared set of them in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "faces.npz", images=pictures.images.transpose(0, 2, 3, 1))
    rows = []
    for number, (label, person) in enumerate(zip(pictures.labels, pictures.people, strict=True)):
        split: Split = splits if isinstance(splits, str) else splits[number]  # type: ignore[assignment]
        subject = f"p{person}" if named else ""
        rows.append(Row(str(number), f"faces.npz#images/{number}", "array", SPACE.labels[label], split, 0, subject))
    manifest = Manifest(folder.name, SPACE, tuple(rows), folder, pictures.images.shape[-1])
    manifest.save(folder)
    return manifest


def learnt(pictures: Pictures, path: Path, epochs: int = 10, seed: int = 0) -> Path:
    """Weights of a small CNN that learnt them."""
    size = pictures.images.shape[-1]
    torch.manual_seed(seed)
    net, eyes = Cnn(CnnConfig(size, (8, 16, 32), 1, CLASSES, 0.0)), Preprocessing(crop_size=size, input_size=size)
    recognizer = Recognizer(net, None, eyes)
    frames = recognizer.frames_of(torch.from_numpy(pictures.images)[:, None].float() / 255)
    labels, steps = torch.from_numpy(pictures.labels), epochs * -(-len(frames) // 32)
    adam = torch.optim.AdamW(net.parameters(), 4e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, steps)
    for _ in range(epochs):
        for some in torch.randperm(len(frames)).split(32):
            adam.zero_grad()
            F.cross_entropy(net(frames[some]).logits, labels[some]).backward()
            adam.step()
            rate.step()
    record = ModelRecord("drawn", SPACE, eyes, {}, frames=1, trained_on="drawn people")
    save_weights(recognizer.eval(), record, path)
    return path


def right(weights: Path, pictures: Pictures) -> np.ndarray:
    """Whether the model's answer to each is right."""
    model = load_model(weights)
    answers = np.concatenate([model.logits(some[:, None]) for some in np.array_split(pictures.images, 8)])
    return answers.argmax(1) == pictures.labels
