"""Clips made of still faces: smooth motion, changing light, spoilt frames, and a change from one face to another.

What a clip is said to show is what its middle shows: the blend of the two faces there. Order counts, so that it can be
learned: the same frames in another order may be another clip, and all a mean over frames can do is guess.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mien.core.errors import ConfigError
from mien.data.transforms import Augmentation, random_affine, random_erase, random_light, warp

Generator = torch.Generator

POSE = Augmentation(rotation=12, scale=0.15, shift=0.06, stretch=0.06, flip=0.5)
LIGHT = Augmentation(brightness=0.1, contrast=0.25, gamma=0.25)
EYES_AND_MOUTH = ((36, 42), (42, 48), (48, 68))
"""Landmarks (iBUG 300-W) whose means faces are laid on each other by: the eyes and the mouth."""


@dataclass(frozen=True)
class Motion:
    """How a still face becomes a clip.

    Attributes:
        pose: where the face is at the start of the clip, and how far that may be drawn.
        drift: how much of ``pose``'s range it moves on until the end.
        jitter: unsteadiness of the alignment from frame to frame, as a share of the side (standard deviation).
        light: brightness, contrast and gamma at the start; at the end they are drawn anew, in between they blend.
        noise: largest standard deviation of the noise in every frame, as a share of white.
        spoil: probability that a frame is spoilt: blurred, dark and noisy.
        cover: probability that something covers part of the face in some frames of the clip.
        change: probability that the clip goes over from, or to, another face.
        neutral: share of those other faces that are neutral; the rest are any.
    """

    pose: Augmentation = POSE
    drift: float = 0.35
    jitter: float = 0.012
    light: Augmentation = LIGHT
    noise: float = 0.03
    spoil: float = 0.15
    cover: float = 0.25
    change: float = 0.6
    neutral: float = 0.7

    def __post_init__(self) -> None:
        for name in ("drift", "spoil", "cover", "change", "neutral"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} from 0 to 1", str(getattr(self, name)), "change it")


def moving_clips(
    faces: Float[Tensor, "n 1 h w"],
    others: Float[Tensor, "n 1 h w"],
    onto: Float[Tensor, "n 3 3"],
    frames: int,
    size: int,
    motion: Motion,
    rng: Generator,
) -> tuple[Float[Tensor, "n t 1 s s"], Float[Tensor, " n"]]:
    """Clips of ``frames`` frames of ``size`` pixels, and how much of the face itself the middle of each shows.

    Args:
        faces: in [0, 1].
        others: what each may go over to.
        onto: maps from a face's coordinates in [-1, 1] to those of its other, see :func:`laid_on`.
        frames: at least 1.
        size: side of the answer.
        motion: how.
        rng: what draws; equal states give equal answers.

    Returns:
        Values in [0, 1]; shares in [0, 1], the rest is the other face.
    """
    n = len(faces)
    shares, maps = course(n, frames, motion.change, rng), path(n, frames, motion, rng)
    own = _lit(faces, frames, motion, rng)
    clips = warp(own.flatten(0, 1), maps.flatten(0, 1), size)
    blended = (shares < 1).any(1)
    if blended.any():
        there = onto[blended, None] @ _square(maps[blended])
        other = _lit(others[blended], frames, motion, rng)
        partner = warp(other.flatten(0, 1), there[:, :, :2].flatten(0, 1), size)
        weight = shares[blended].view(-1, 1, 1, 1)
        which = blended.repeat_interleave(frames)
        clips = clips.index_put((which,), torch.lerp(partner, clips[which], weight))
    clips = _covered(clips.view(n, frames, 1, size, size), motion.cover, rng)
    return _spoilt(clips, motion, rng), middle(shares)


def course(n: int, frames: int, change: float, rng: Generator) -> Float[Tensor, "n t"]:
    """The share of the face itself in every frame: all of it, or coming, going, or there for a moment only.

    A change is a logistic curve of time whose middle lies in the clip or shortly before or after it.
    """
    time = torch.linspace(0, 1, frames) if frames > 1 else torch.full((1,), 0.5)
    begin = -0.2 + 1.4 * torch.rand(n, 1, generator=rng)
    pace = torch.exp(math.log(6.0) + math.log(5.0) * torch.rand(n, 1, generator=rng))
    rising = torch.sigmoid(pace * (time - begin))
    last = 0.3 + 0.5 * torch.rand(n, 1, generator=rng)
    passing = rising * torch.sigmoid(pace * (begin + last - time))
    kind = torch.rand(n, 1, generator=rng)
    shares = torch.where(kind < 0.4, rising, torch.where(kind < 0.8, 1 - rising, passing))
    still = torch.rand(n, 1, generator=rng) >= change
    return torch.where(still, torch.ones_like(shares), shares)


def middle(shares: Float[Tensor, "n t"]) -> Float[Tensor, " n"]:
    """The mean over the middle half of the frames: 2 of 4, 1 of 1."""
    frames = shares.shape[1]
    edge = frames // 4
    return shares[:, edge : frames - edge].mean(1)


def path(n: int, frames: int, motion: Motion, rng: Generator) -> Float[Tensor, "n t 2 3"]:
    """Maps from output to input coordinates, frame by frame: from a drawn pose on its way to another, unsteadily."""
    start = random_affine(n, motion.pose, rng)
    on = {name: getattr(motion.pose, name) * motion.drift for name in ("rotation", "scale", "shift", "stretch")}
    end = _square(start) @ _square(random_affine(n, dataclasses.replace(motion.pose, **on, flip=0), rng))
    time = torch.linspace(0, 1, frames).view(1, -1, 1, 1)
    gone = time * time * (3 - 2 * time)  # starts and ends softly
    maps = torch.lerp(start[:, None], end[:, None, :2], gone)
    unsteady = F.pad(2 * motion.jitter * torch.randn(n, frames, 2, 1, generator=rng), (2, 0))  # the shift's column
    return maps + unsteady


def laid_on(points: Float[Tensor, "n 68 2"], others: Float[Tensor, "n 68 2"]) -> Float[Tensor, "n 3 3"]:
    """The similarity from each face's coordinates in [-1, 1] to its other's that lays eyes and mouth on each other.

    Least squares over the three places; points are fractions of the side.
    """
    own, there = (_places(2 * p - 1) for p in (points, others))
    from_mean, to_mean = own.mean(1, keepdim=True), there.mean(1, keepdim=True)
    a, b = own - from_mean, there - to_mean
    norm = a.square().sum((1, 2)).clamp(min=1e-6)
    cos = (a * b).sum((1, 2)) / norm
    sin = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1) / norm
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    shift = to_mean.transpose(1, 2) - turn @ from_mean.transpose(1, 2)
    return _square(torch.cat([turn, shift], 2))


def _places(points: Float[Tensor, "n 68 2"]) -> Float[Tensor, "n 3 2"]:
    return torch.stack([points[:, first:last].mean(1) for first, last in EYES_AND_MOUTH], 1)


def _square(maps: Float[Tensor, "*n 2 3"]) -> Float[Tensor, "*n 3 3"]:
    below = torch.tensor([0.0, 0.0, 1.0]).expand(*maps.shape[:-2], 1, 3)
    return torch.cat([maps, below], -2)


def _lit(faces: Float[Tensor, "n 1 h w"], frames: int, motion: Motion, rng: Generator) -> Float[Tensor, "n t 1 h w"]:
    """Every face ``frames`` times, in light that changes steadily from one drawn state to another."""
    ends = [random_light(faces, motion.light, rng) for _ in range(2)]
    return torch.lerp(ends[0][:, None], ends[1][:, None], torch.linspace(0, 1, frames).view(1, -1, 1, 1, 1))


def _covered(clips: Float[Tensor, "n t 1 s s"], cover: float, rng: Generator) -> Float[Tensor, "n t 1 s s"]:
    """A rectangle of noise over a stretch of the frames of some clips, the same place in all of them."""
    n, t, _, side, _ = clips.shape
    one = torch.full((n, 1, side, side), -1.0)
    mask = random_erase(one, Augmentation(erase=cover, erase_area=0.25), rng)[:, None] >= 0
    begin = torch.rand(n, 1, generator=rng) * 1.2 - 0.4
    time = torch.linspace(0, 1, t)
    during = (time >= begin) & (time <= begin + 0.3 + 0.5 * torch.rand(n, 1, generator=rng))
    fill = torch.rand(clips.shape, generator=rng)
    return torch.where(mask & during.view(n, t, 1, 1, 1), fill, clips)


def _spoilt(clips: Float[Tensor, "n t 1 s s"], motion: Motion, rng: Generator) -> Float[Tensor, "n t 1 s s"]:
    """Noise in every frame; some are blurred until little is left, darker, and three times as noisy."""
    n, t = clips.shape[:2]
    bad = torch.rand(n, t, generator=rng) < motion.spoil
    light = 0.3 + 0.7 * torch.rand(n, t, 1, 1, 1, generator=rng)
    if bad.any():
        clips = clips.index_put((bad,), _blurred(clips[bad]) * light[bad])
    spread = motion.noise * torch.rand(n, 1, generator=rng) * torch.where(bad, 3.0, 1.0)
    return (clips + spread.view(n, t, 1, 1, 1) * torch.randn(clips.shape, generator=rng)).clamp(0, 1)


def _blurred(images: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n 1 s s"]:
    """A Gaussian whose standard deviation is 4 % of the side."""
    edge = images.shape[-1] // 8
    kernel = torch.exp(-(torch.linspace(-2, 2, 2 * edge + 1) ** 2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(images, (edge, edge, edge, edge), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))
