"""The whole way from uint8 crops to probabilities as one network, made of what every engine computes alike.

Same numbers as :class:`mien.models.weights.Recognizer` (a test holds it to 1e-4), with each resize written as a product
with two fixed matrices: engines differ in how they sample, above all where shrinking is anti-aliased.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mien.models.anchors import corrected
from mien.models.heads import answer_for, reads_tail, torch_values, with_heads
from mien.models.landmarks import LANDMARK_SIZE, MAP_SIDE, tail_of
from mien.models.preprocess import normalise, to_colour
from mien.models.zoo import LoadedModel


class ClipGraph(nn.Module):
    """Preprocessing, landmark net, network and calibration.

    Args:
        model: loaded weights.
    """

    shift: Float[Tensor, " c"]

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        given = model.record.preprocessing
        calibration = model.record.calibration
        self.preprocessing, self.temperature = given, calibration.temperature
        shift = torch.as_tensor(calibration.shift, dtype=torch.float32)
        self.register_buffer("shift", shift.expand(len(model.record.labels)).clone())
        self.net, self.landmarks = model.network.net, model.network.landmarks
        self.signals = model.record.signals
        says = [signal.name for signal in self.signals]
        self.heads = nn.ModuleDict({name: head for name, head in model.network.heads.items() if name in says})
        self.balance = model.network.balance
        self.tail = model.network.tail if reads_tail(self.heads.values()) else None
        self.to_input = Resize(given.crop_size, given.input_size, antialias=given.crop_size > given.input_size)
        self.to_landmarks = Resize(given.input_size, LANDMARK_SIZE, align_corners=True)
        grid = getattr(model.network.net.config, "grid", MAP_SIDE)  # a network without prompts reads no map
        # Where the grid divides the map's side, S2D takes the mean of areas, which is the same everywhere.
        self.to_grid = Resize(MAP_SIDE, grid, antialias=True) if MAP_SIDE % grid else nn.Identity()

    def forward(self, clips: UInt8[Tensor, "b t 3 h w"]) -> tuple[Tensor, ...]:
        """What :func:`mien.engines.header.outputs` names, of b clips of t aligned RGB crops: a row a clip each."""
        b, t = clips.shape[:2]
        images = to_colour(clips.flatten(0, 1).to(torch.float32) / 255, self.preprocessing)
        frames = normalise(self.to_input(images).expand(-1, 3, -1, -1), self.preprocessing)
        landmark_map = tail = None
        if self.landmarks is not None:
            whole = self.landmarks.landmark_map(self.to_landmarks(frames))
            landmark_map, tail = self.to_grid(whole), tail_of(self.tail, whole, b)
        given = answer_for(self.heads.values(), self.net, frames.view(b, t, *frames.shape[1:]), landmark_map)
        answer = corrected(self.balance, with_heads(given, self.heads, tail))
        logits, said = answer.logits, ((one, answer.signals[one.name]) for one in self.signals)
        beside = [part for one, raw in said for part in (torch_values(one, raw), raw)]
        return (logits / self.temperature + self.shift).softmax(-1), logits, *beside


class Resize(nn.Module):
    """Bilinear resize of square images as torch does it, by a product from either side.

    Args:
        side: of the images that come, in pixels.
        size: of those that go.
        antialias: weigh all pixels that a shrunk one covers.
        align_corners: centres of the corner pixels stay in place; else corners of the image.
    """

    weights: Float[Tensor, "size side"]

    def __init__(self, side: int, size: int, *, antialias: bool = False, align_corners: bool = False) -> None:
        super().__init__()
        self.changes = side != size
        columns = F.interpolate(
            torch.eye(side)[None, None], (size, side), mode="bilinear", antialias=antialias, align_corners=align_corners
        )
        self.register_buffer("weights", columns[0, 0])

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c s s"]:
        """h = w = ``side``."""
        return self.weights @ images @ self.weights.T if self.changes else images
