"""From aligned uint8 crops to what the networks take: resize, colour, normalise. Training and use share this code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from mien.models.record import Preprocessing

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, the weights of cv2.cvtColor


def to_unit(crops: UInt8[Tensor, "n 3 h w"], preprocessing: Preprocessing) -> Float[Tensor, "n 3 s s"]:
    """Crops in [0, 1] at the network's input size, grey (three equal channels) where the weights were trained so."""
    images = to_colour(crops.to(torch.float32) / 255, preprocessing)
    side = images.shape[-1]
    if side != preprocessing.input_size:
        # Anti-aliasing only matters when shrinking; growing must equal the warp the training used.
        size = (preprocessing.input_size, preprocessing.input_size)
        shrink = side > preprocessing.input_size
        images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=shrink)
    return images.expand(-1, 3, -1, -1)


def to_colour(images: Float[Tensor, "n 3 h w"], preprocessing: Preprocessing) -> Float[Tensor, "n _ h w"]:
    """Images as they are, or one channel of luma where the weights were trained on grey ones."""
    if preprocessing.colour == "rgb":
        return images
    weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def normalise(images: Float[Tensor, "*n 3 h w"], preprocessing: Preprocessing) -> Float[Tensor, "*n 3 h w"]:
    """(x - mean) / std per channel, for values in [0, 1]."""
    mean = torch.tensor(preprocessing.mean, dtype=images.dtype, device=images.device).view(3, 1, 1)
    std = torch.tensor(preprocessing.std, dtype=images.dtype, device=images.device).view(3, 1, 1)
    return (images - mean) / std


def to_frames(images: Float[Tensor, "n c h w"], size: int, preprocessing: Preprocessing) -> Float[Tensor, "n 3 s s"]:
    """Images in [0, 1], of one channel or three, as the network takes them at another side: training comes in here."""
    if preprocessing.colour == "grey" and images.shape[1] == 3:
        images = to_colour(images, preprocessing)
    if images.shape[-1] != size:
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return normalise(images.expand(-1, 3, -1, -1), preprocessing)
