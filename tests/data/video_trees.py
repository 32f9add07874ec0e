"""Small look-alikes of the video data sets: the exact layout of each release, with drawn pictures.

Every function fills ``folder`` and returns it. ``per_class`` counts the clips of a class in every part: the test list
of each fold, or train and test of a set without folds. ``form`` chooses between the release's own lists (``"own"``)
and those of the S2D repository (``"s2d"``). Every clip has a pattern of its own in its class's tint: no duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from mien.core.labels import LABEL_SPACES
from mien.data.datasets import cremad, ravdess
from mien.data.datasets.mafw import COMPOUND
from mien.media.writer import VideoWriter

DFEW, FERV39K, MAFW = LABEL_SPACES["dfew"], LABEL_SPACES["ferv39k"], LABEL_SPACES["mafw"]
FERV39K_NAMES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def dfew_tree(
    folder: Path,
    per_class: int = 2,
    frames: int = 4,
    size: int = 32,
    form: str = "own",
    folds: int = 5,
    clips: str = "clip_224x224_16f",
) -> Path:
    """DFEW with ``Clip/<clips>``: folders of frames, or videos for ``clips="original"``."""
    parts = _parts(len(DFEW), per_class, max(folds, 2))
    for number, label in [one for part in parts for one in part]:
        if clips == "original":
            write_video(folder / "Clip" / clips / f"{number}.mp4", frames, size, number, label)
        else:
            write_frames(folder / "Clip" / clips / f"{number:05d}", frames, size, number, label)
    for fold in range(1, folds + 1):
        for split, items in _fold(parts, fold):
            if form == "own":
                name, lines = f"set_{fold}.csv", [f"{number},{label + 1}" for number, label in items]
            else:
                name, lines = f"{split}_set_{fold}.csv", [f"{number:05d},{label}" for number, label in items]
            write_lines(folder / "EmoLabel_DataSplit" / f"{split}(single-labeled)" / name, ["video_name,label", *lines])
    return folder


def ferv39k_tree(folder: Path, per_class: int = 2, frames: int = 4, size: int = 32, form: str = "own") -> Path:
    """FERV39k with two scenes."""
    parts = _parts(len(FERV39K), per_class, 2)
    for split, items in zip(("test", "train"), parts, strict=True):
        names = [f"{('Action', 'War')[n % 2]}/{FERV39K_NAMES[label]}/{n:04d}" for n, label in items]
        for name, (number, label) in zip(names, items, strict=True):
            write_frames(folder / "2_ClipsforFaceCrop" / name, frames, size, number, label)
        if form == "own":
            lines = [f"{name} {FERV39K_NAMES[label]}" for name, (_, label) in zip(names, items, strict=True)]
            write_lines(folder / "4_setups" / "All_scenes" / f"{split}_All.csv", lines)
        else:
            lines = [f"{name},{label}" for name, (_, label) in zip(names, items, strict=True)]
            write_lines(folder / "Annotation" / f"{split}.csv", ["path,id", *lines])
    return folder


def mafw_tree(
    folder: Path,
    per_class: int = 1,
    frames: int = 4,
    size: int = 32,
    form: str = "own",
    folds: int = 5,
    compound: bool = False,
    videos: bool = False,
) -> Path:
    """MAFW with the lists of one task, and frames or videos."""
    labels = COMPOUND if compound else MAFW
    parts = _parts(len(labels), per_class, max(folds, 2))
    for number, label in [one for part in parts for one in part]:
        if videos:
            write_video(folder / "data" / "clips" / f"{number:05d}.mp4", frames, size, number, label)
        else:
            place = "data/frames/frames_crop_align_224" if form == "s2d" else "data/frames"
            write_frames(folder / place / f"{number:05d}", frames, size, number, label, suffix=".png")
    top = folder / ("anno" if form == "s2d" else "Train & Test Set") / ("compound" if compound else "single")
    for fold in range(1, folds + 1):
        for split, items in _fold(parts, fold):
            if form == "s2d" and not compound:
                lines = ["video_name,labels", *(f"{number:05d},{label}" for number, label in items)]
                write_lines(top / "no_caption" / f"set_{fold}" / f"{split}.csv", lines)
            else:
                lines = [f"{number:05d}.mp4 {labels.labels[label]}" for number, label in items]
                write_lines(top / "no_caption" / f"set_{fold}" / f"{split}.txt", lines)
    return folder


def cremad_tree(
    folder: Path, per_class: int = 1, frames: int = 4, size: int = 32, actors: tuple[int, ...] = (1001, 1005)
) -> Path:
    """CREMA-D with ``per_class`` sentences of every actor in every expression; 1005, 1010, ... are the test's."""
    sentences = ("DFA", "IEO", "IOM", "ITH")[:per_class]
    for seed, (actor, sentence, (label, code)) in enumerate(
        (actor, sentence, code) for actor in actors for sentence in sentences for code in enumerate(cremad.CODES)
    ):
        write_video(folder / "VideoFlash" / f"{actor}_{sentence}_{code}_XX.flv", frames, size, seed, label)
    return folder


def ravdess_tree(
    folder: Path, per_class: int = 1, frames: int = 4, size: int = 32, actors: tuple[int, ...] = (1, 5)
) -> Path:
    """RAVDESS speech with sound, ``per_class`` (1 or 2) repetitions of every expression; actors 5, 10, ... test."""
    for actor in actors:
        for label, code in enumerate(ravdess.CODES):
            for repetition in range(1, per_class + 1):
                name = f"01-01-{code}-01-02-{repetition:02d}-{actor:02d}.mp4"
                seed = 100 * actor + 10 * label + repetition
                write_video(folder / f"Actor_{actor:02d}" / name, frames, size, seed, label)
    return folder


def ckplus_tree(folder: Path, people: int = 10, frames: int = 4, size: int = 32) -> Path:
    """CK+ with one labelled sequence of every expression and one unlabelled of every person: S005, S006, ..."""
    for person in range(5, 5 + people):
        for sequence in range(1, 9):
            name, place = f"S{person:03d}_{sequence:03d}", f"S{person:03d}/{sequence:03d}"
            pictures = folder / "cohn-kanade-images" / place
            write_frames(pictures, frames, size, 10 * person + sequence, sequence - 1, f"{name}_{{:08d}}", ".png")
            emotion = folder / "Emotion" / place
            emotion.mkdir(parents=True)
            if sequence < 8:
                write_lines(emotion / f"{name}_{frames:08d}_emotion.txt", [f"   {sequence:.7e}"])
    return folder


def write_lines(path: Path, lines: list[str]) -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_frames(
    folder: Path, frames: int, size: int, seed: int, label: int, name: str = "{}", suffix: str = ".jpg"
) -> None:
    """A folder of pictures named by their number, from 1."""
    folder.mkdir(parents=True)
    for number, image in enumerate(pictures(frames, size, seed, label), 1):
        assert cv2.imwrite(str(folder / (name.format(number) + suffix)), image[..., ::-1])


def write_video(path: Path, frames: int, size: int, seed: int, label: int) -> None:
    """An MP4 (H.264) or FLV (Sorenson) file of 25 frames a second."""
    if path.suffix == ".mp4":
        with VideoWriter(path, size, size, 25) as writer:
            for number, image in enumerate(pictures(frames, size, seed, label)):
                writer.write(image, number / 25)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="flv") as container:
        stream = container.add_stream("flv", rate=25)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        for image in pictures(frames, size, seed, label):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def pictures(frames: int, size: int, seed: int, label: int) -> Iterator[np.ndarray]:
    """uint8 (size, size, 3): a coarse pattern of the clip's own that slides, in a tint of the class's own."""
    rng = np.random.default_rng(seed)
    tint = np.random.default_rng(1000 + label).integers(0, 128, 3)
    pattern = rng.integers(0, 128, (8, 8, 3)) + tint
    whole = cv2.resize(pattern.astype(np.uint8), (size, size), interpolation=cv2.INTER_LINEAR)
    for number in range(frames):
        yield np.ascontiguousarray(np.roll(whole, number, axis=1))


def _parts(classes: int, per_class: int, parts: int) -> list[list[tuple[int, int]]]:
    """(number of the clip from 1, class), ``per_class`` clips of every class in every part."""
    size = classes * per_class
    return [[(part * size + n + 1, n % classes) for n in range(size)] for part in range(parts)]


def _fold(parts: list[list[tuple[int, int]]], fold: int) -> list[tuple[str, list[tuple[int, int]]]]:
    """Fold ``fold`` tests on its own part and trains on the others."""
    train = [one for place, part in enumerate(parts, 1) if place != fold for one in part]
    return [("train", train), ("test", parts[fold - 1])]
