"""Small look-alikes of the image data sets: the exact layout of each release, with drawn pictures.

Every function fills ``folder`` and returns what ``read`` takes. ``per_class`` counts the items of a class in every
split. Every picture has a pattern of its own in its class's tint: no duplicates.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

AFFECTNET_COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)


def picture(number: int, label: int, size: int) -> np.ndarray:
    """An RGB picture: coarse noise of its own over the class's tint."""
    rng = np.random.default_rng(number)
    coarse = cv2.resize(rng.integers(0, 160, (6, 6, 3)).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    tint = np.array([40 + 20 * label, 200 - 20 * label, (70 * label) % 200])
    return np.clip(0.6 * coarse + 0.4 * tint, 0, 255).astype(np.uint8)


def save(path: Path, number: int, label: int, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture(number, label, size)[..., ::-1])


def rafdb_tree(folder: Path, per_class: int = 2, size: int = 48) -> Path:
    lines = []
    for split in ("train", "test"):
        for i in range(7 * per_class):
            label = i % 7
            save(folder / "Image" / "aligned" / f"{split}_{i + 1:05d}_aligned.jpg", len(lines), label, size)
            lines.append(f"{split}_{i + 1:05d}.jpg {label + 1}")
    write(folder / "EmoLabel" / "list_patition_label.txt", lines)
    return folder


def affectnet_tree(folder: Path, per_class: int = 2, size: int = 48, header: bool = True) -> Path:
    """The original release; codes 8 to 10, which nobody trains on, occur as well."""
    number = 0
    for split, name in (("train", "training.csv"), ("test", "validation.csv")):
        rows = []
        for i in range(11 * per_class):
            place = f"{i % 3}/{split}{i:04d}.{('jpg', 'JPG', 'png')[i % 3]}"
            save(folder / "Manually_Annotated_Images" / place, number, i % 11, size)
            rows.append([place, 0, 0, size, size, "1;2;3", i % 11, 0.1, -0.2])
            number += 1
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([AFFECTNET_COLUMNS, *rows] if header else rows)
    return folder


def affectnet_pack_tree(folder: Path, per_class: int = 2, size: int = 48) -> Path:
    """The newer pack: eight classes."""
    number = 0
    for split in ("train_set", "val_set"):
        for i in range(8 * per_class):
            save(folder / split / "images" / f"{number}.jpg", number, i % 8, size)
            path = folder / split / "annotations" / f"{number}_exp.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.array(str(i % 8)))
            number += 1
    return folder


def ferplus_votes(per_class: int) -> np.ndarray:
    """Votes of the eight classes in turn, then a row without a majority and one that is no face."""
    clear = np.hstack([8 * np.eye(8, dtype=np.uint8), np.zeros((8, 2), np.uint8)])
    clear[:, 8] = 1  # one vote for "unknown", which the rule drops
    clear[0, 1] = 2
    split = np.array([[5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]], np.uint8)
    return np.concatenate([np.tile(clear, (per_class, 1)), split])


def ferplus_images(per_class: int, seed: int) -> np.ndarray:
    n = 8 * per_class + 2
    return np.stack([picture(100 * seed + i, i % 8, 48).mean(2).astype(np.uint8) for i in range(n)])


def ferplus_npz(folder: Path, per_class: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    parts = {}
    for seed, split in enumerate(("train", "valid", "test")):
        parts |= {f"{split}_images": ferplus_images(per_class, seed), f"{split}_votes": ferplus_votes(per_class)}
    np.savez(folder / "ferplus_48.npz", **parts)
    return folder / "ferplus_48.npz"


def ferplus_csv_tree(folder: Path, per_class: int = 2) -> Path:
    """As released: the image that is no face has no name, and the names after it count on without it."""
    pixels = ["emotion,pixels,Usage"]
    votes = ["Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"]
    named = 0
    for seed, usage in enumerate(("Training", "PublicTest", "PrivateTest")):
        for image, cast in zip(ferplus_images(per_class, seed), ferplus_votes(per_class), strict=True):
            pixels.append(f"0,{' '.join(map(str, image.ravel()))},{usage}")
            name = "" if cast[9] == 10 else f"fer{named:07d}.png"
            votes.append(f"{usage},{name},{','.join(map(str, cast))}")
            named += bool(name)
    write(folder / "fer2013.csv", pixels)
    write(folder / "fer2013new.csv", votes)
    return folder


def folder_tree(folder: Path, per_class: int = 2, size: int = 48, frames: int = 0) -> Path:
    """Images, or folders of ``frames`` pictures, under names of all sorts; one class is in no published set."""
    number = 0
    for split in ("train", "Val", "test"):
        for label, name in enumerate(("Happy", "sadness", "boredom")):
            for i in range(per_class):
                place = folder / split / name / f"item{i}"
                for frame in range(frames):
                    save(place / f"{frame}.png", 97 * number + frame, label, size)
                if not frames:
                    save(place.with_suffix(".jpeg"), number, label, size)
                number += 1
    (folder / "train" / "Happy" / "notes.txt").write_text("not a picture")
    (folder / "train" / "Happy" / ".DS_Store").write_text("hidden")
    return folder


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
