"""A detector of covered patches for weights that stay as they are: fitted to clean faces in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mien.core.action_units import REGIONS
from mien.core.errors import ConfigError, DataError
from mien.core.facial import COVERED
from mien.core.settings import thread_count
from mien.data.datasets.ferplus import read_archive
from mien.data.manifest import Manifest, load_manifest
from mien.data.pixels import frame_count, read_clip
from mien.data.splits import hold_out
from mien.evaluation.signal_metrics import auc
from mien.faces.mean_face import MEAN_FACE
from mien.faces.regions import outline_mask, region_masks
from mien.models.covered import DIRECTIONS, GRID, Covered, fit_covered, on_grid
from mien.models.find import find_weights
from mien.models.heads import Head
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.training.logs import Report

AT_ONCE = 64
FINE = 16
"""Pixels of a place, where regions are drawn."""
LEAST_FACES, LEAST_CUT = 2 * DIRECTIONS, 100
MOST_JUDGED = 300
Image = UInt8[np.ndarray, "3 h w"]
Texture = Literal["flat", "noise", "other"]
TEXTURES: tuple[Texture, ...] = ("flat", "noise", "other")


@dataclass(frozen=True)
class CoveredRun:
    """Give weights a detector of what covers a face: hands, masks, glasses. What they say else stays as it is.

    Attributes:
        data: clean faces: a set prepared by `mien prepare`, or the FERPlus .npz. Nobody's labels are read.
        start: weights of mien: a name, a file or a folder.
        out: folder of the run; gets NAME.safetensors, with the start's name.
        faces: of the training split that the Gaussians are fitted to, at most; the cuts are set on half of as
            many of the validation split, or of what is held out where there is none; the figures are of the other half.
        clean: share of clean faces whose patch, at any place, is not called covered, 0.5 to 1.
        seed: of which faces those are.
    """

    data: Path
    start: str = "s2d-small"
    out: Path = Path("runs/covered")
    faces: int = 3000
    clean: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.faces < (least := max(LEAST_FACES, 2 * LEAST_CUT)):  # so many are taken of either split
            raise ConfigError(f"--faces of at least {least}", str(self.faces), "raise it")
        if not 0.5 <= self.clean < 1:
            raise ConfigError("--clean from 0.5 up to, not with, 1", str(self.clean), "change it")

    def run(self, report: Report | None = None) -> Path:
        """Fit; the path of the weights with their detector comes back.

        Raises:
            ConfigError: a network without such tokens.
            DataError: too few faces.
        """
        torch.set_num_threads(thread_count())
        recognizer, record = load_weights(find_weights(self.start))
        if not recognizer.net.gives_middle:
            raise ConfigError("a network that gives its middle tokens", recognizer.network, "choose another --start")
        whole = read_archive(self.data) if self.data.suffix == ".npz" else load_manifest(self.data)
        # One fold: another one holds out what this one learns.
        whole = hold_out(whole.select(fold=whole.folds[0]), seed=self.seed)
        train, valid = (self._faces(whole.select(split)) for split in ("train", "valid"))
        cut_by, judged = valid[::2], valid[1::2]
        if len(train) < LEAST_FACES or len(cut_by) < LEAST_CUT:
            expected = f"{LEAST_FACES} faces to fit and {2 * LEAST_CUT} held out"
            raise DataError(expected, f"{len(train)} and {len(valid)} in {self.data}", "give a larger set")
        head = Covered(recognizer.net.config.dim, COVERED).requires_grad_(False)
        fit_covered(head, tokens_of(recognizer, train))
        head.parts.copy_(torch.from_numpy(parts_of_places()).half())
        scores = head.scores(tokens_of(recognizer, cut_by)[:, None])[:, 0]
        head.cuts.copy_(scores.double().quantile(self.clean, dim=0).half())
        figures = figures_of(head, recognizer, judged[:MOST_JUDGED], self.seed)
        heads = {name: one for name, one in recognizer.heads.items() if isinstance(one, Head)}
        kept = [signal for signal in record.signals if signal.name != COVERED.name]
        new = dataclasses.replace(
            record,
            signals=(*kept, COVERED),
            heads={**record.heads, COVERED.name: COVERED.name},
            scores={**record.scores, **figures},
        )
        says = [signal.name for signal in new.signals]
        made = Recognizer(
            recognizer.net, recognizer.landmarks, recognizer.preprocessing, {**heads, COVERED.name: head}, says
        )
        made.tail = recognizer.tail
        path = self.out / f"{record.name}.safetensors"
        save_weights(made.eval(), new, path, torch.float16)
        return path

    def _faces(self, rows: Manifest) -> list[Image]:
        """So many of a split, drawn at random."""
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(rows))[: self.faces].tolist()
        chosen = [rows.rows[place] for place in order]
        faces = [read_clip(rows, row, np.array([frame_count(rows, row) // 2]))[0] for row in chosen]
        if len(sizes := {face.shape[1:] for face in faces}) > 1 or any(high != wide for high, wide in sizes):
            got = f"{', '.join(map(str, sorted(sizes)[:3]))} in {rows.name}"
            raise DataError("square faces of one size", got, "crop them with `mien prepare`")
        return faces


@torch.no_grad()
def tokens_of(recognizer: Recognizer, images: Sequence[Image]) -> Float[Tensor, "n p d"]:
    """The network's middle tokens of faces, on the detector's grid."""
    found = [torch.empty(0, GRID * GRID, recognizer.net.config.dim)]
    for first in range(0, len(images), AT_ONCE):
        clips = [torch.from_numpy(np.ascontiguousarray(image))[None, None] for image in images[first : first + AT_ONCE]]
        frames = torch.cat([recognizer.frames_of(clip.float() / 255) for clip in clips])
        answer = recognizer.net(frames, recognizer.landmark_map(frames.flatten(0, 1)), middle=True)
        found.append(on_grid(answer.middle)[:, 0])
    return torch.cat(found)


def parts_of_places() -> Float[np.ndarray, "n p"]:
    """How much each place of the grid counts in the columns of :data:`mien.core.facial.COVERED`; rows sum to 1.

    By how much of the place the region of an ordinary face fills; the face is all that its outline and brows enclose.
    """
    side = GRID * FINE
    masks = region_masks(MEAN_FACE[None], side)
    rows = [outline_mask(MEAN_FACE, side), *(masks[region][0] for region in REGIONS)]
    shares = np.stack([row.reshape(GRID, FINE, GRID, FINE).mean((1, 3)).ravel() for row in rows])
    found: Float[np.ndarray, "n p"] = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return found


def figures_of(head: Covered, recognizer: Recognizer, faces: Sequence[Image], seed: int) -> dict[str, float]:
    """What a detector finds of covers planted on clean faces.

    ``covered_auc_TEXTURE``: of places more than half covered against those of the same faces that are not;
    ``covered_found_TEXTURE``: share of the former above their cut; ``covered_false``: share of the places of the clean
    faces above theirs.
    """
    rng = np.random.default_rng(seed)
    clean = head.scores(tokens_of(recognizer, faces)[:, None])[:, 0]
    figures = {"covered_false": float((clean > head.cuts).double().mean())}
    for texture in TEXTURES:
        planted = [plant(face, texture, faces[place - 1], rng) for place, face in enumerate(faces)]
        scores = head.scores(tokens_of(recognizer, [image for image, _ in planted])[:, None])[:, 0]
        # Against its cut: a place where clean faces differ much is not for that a covered one.
        height, share = (scores / head.cuts).numpy(), np.stack([mask for _, mask in planted])
        sure = (share > 0.5) | (share == 0)
        figures[f"covered_auc_{texture}"] = auc(height[sure], share[sure] > 0.5)
        figures[f"covered_found_{texture}"] = float((height[share > 0.5] > 1).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def plant(
    face: Image, texture: Texture, other: Image, rng: np.random.Generator
) -> tuple[Image, Float[np.ndarray, " p"]]:
    """A face with a rectangle over it, a quarter to a half of the side long, and how much of each place that covers.

    Args:
        face: the face.
        texture: flat, one grey; noise, in every pixel; other, a piece of ``other`` from elsewhere on it.
        other: another face, of the same size.
        rng: where, how large, how grey.
    """
    side = face.shape[-1]
    height, width = rng.integers(side // 4, side // 2 + 1, 2)
    top, left = (int(rng.integers(0, side - length + 1)) for length in (height, width))
    there = np.zeros((side, side))
    there[top : top + height, left : left + width] = 1
    covered, patch = face.copy(), np.s_[:, top : top + height, left : left + width]
    if texture == "flat":
        covered[patch] = rng.integers(0, 256)
    elif texture == "noise":
        covered[patch] = rng.integers(0, 256, (1, height, width))
    else:
        covered[patch] = np.roll(other, (side // 2, side // 3), (1, 2))[patch]
    return covered, cv2.resize(there, (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()
