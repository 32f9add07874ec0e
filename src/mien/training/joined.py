"""Sound joined to a picture model in every block: the task that learns it, for ``--recipe.fusion bottleneck``.

As published (MMA-DFER, arXiv 2404.09010) the picture's half stays as it is, the fusion and a head learn, and the gates
start closed: before the first step the answer is the picture model's, to the bit. What differs: no sound encoder is
free to ship, so the sound's half learns too, from random numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float64, UInt8
from torch import Tensor, nn

from mien.clips.indices import uniform_sample
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count, read_clip
from mien.data.sounds import sound_file
from mien.evaluation.views import match_labels
from mien.models.joined import Joined
from mien.models.zoo import LoadedModel
from mien.training.listening import SoundItems, SoundRecipe, SoundTask
from mien.training.task import device_of


class JoinedItems(SoundItems):
    """As :class:`SoundItems`, and third the clip's crops: as many as the picture model looks at, evenly over the clip.

    Args:
        rows: the clips.
        frames: of a clip that the picture model looks at.
        sounds: the same clips' sounds.
    """

    def __init__(self, rows: Manifest, frames: int, sounds: SoundItems) -> None:
        super().__init__(sounds.files, sounds.labels, sounds.recipe, sounds.seed)
        self.rows, self.frames = rows, frames

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        return *super().__getitem__(key), torch.from_numpy(crops_of(self.rows, self.rows.rows[key[0]], self.frames))


def crops_of(rows: Manifest, row: Row, frames: int) -> UInt8[np.ndarray, "t 3 s s"]:
    """Crops evenly over a clip. Raises DataError for one that cannot be read."""
    return read_clip(rows, row, np.asarray(uniform_sample(frame_count(rows, row), frames)))


class JoinedTask(SoundTask):
    """Labelled films, and what joins their sound to a picture model.

    Args:
        train: rows with sound to learn from.
        held_out: rows with sound that every epoch is judged by.
        recipe: how.
        seed: of everything random about the items.
        picture: not folded; it learns nothing.
    """

    def __init__(
        self, train: Manifest, held_out: Manifest, recipe: SoundRecipe, seed: int, picture: LoadedModel
    ) -> None:
        super().__init__(train, held_out, recipe, seed)
        sounds = SoundItems([sound_file(train, row) for row in train.rows], train.indices().tolist(), recipe, seed)
        self.data = JoinedItems(train, picture.record.frames, sounds)
        self.joined = Joined(picture.network, recipe.model, recipe.trunk)
        _, columns, _ = match_labels(picture.record.labels, train.labels, False)
        with torch.no_grad():  # the head answers in the set's order of the labels, as all that learns from it
            for part in self.joined.hearing.eyes.head.parameters():
                part.copy_(part[columns])
        self.module = self.joined
        self._held_out, self._frames = held_out, picture.record.frames

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Of what learns alone."""
        every = super().groups(weight_decay)
        return [{**group, "params": [part for part in group["params"] if part.requires_grad]} for group in every]

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...], rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy of picture and sound together with their clips' labels."""
        mel, labels, crops = batch
        return {"labels": F.cross_entropy(module(mel, crops).logits, labels)}

    def answers(self, module: nn.Module) -> Float64[np.ndarray, "n c"]:
        """Probabilities of the held-out clips: the mean over the windows of their sound."""
        device, rows = device_of(module), []
        with torch.inference_mode():
            for mel, row in zip(self.mels, self._held_out.rows, strict=True):
                crops = torch.from_numpy(crops_of(self._held_out, row, self._frames)).to(device)
                logits = module(mel.to(device), crops.expand(len(mel), *crops.shape)).logits
                rows.append(logits.double().softmax(1).mean(0).cpu().numpy())
        return np.stack(rows)
