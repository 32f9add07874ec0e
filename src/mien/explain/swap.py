"""Causal swaps: what of one picture, put into another, carries the answer over (minimal pairs, as NOTICE has them).

Two clips A and B of one face differ in one thing. Both are read; then A is read again while the tokens of one part of
the face are B's from one block on. With z the difference of two labels' logits,

    effect(part, block) = (z_swapped - z_A) / (z_B - z_A)

is 0 where that part carries nothing there, and 1 where it carries all that tells B from A. A part's tokens before block
0 are its patches, embedded; what S2D's prompters hand from block to block, or the landmark tokens of a window fusion,
are swapped in the same places. So all patches before block 0 have the effect 1. Attention spreads what was seen: later
the class token has it, which has a row of its own. Effects may lie outside [0, 1], and those of two parts need not sum
to that of both: the network is not linear.

It is a statement about this network and this pair: of the pair's difference, not of the expression as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor, nn

from mien.core.action_units import Region
from mien.core.errors import ConfigError
from mien.core.types import FaceClip
from mien.explain.base import listening, readable
from mien.explain.regions import ELSEWHERE
from mien.faces.regions import region_masks

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from mien.models.s2d import S2D
    from mien.models.zoo import LoadedModel

CLASS_TOKEN, ALL_PATCHES = "class token", "all patches"
LEAST = 0.1
"""By which the pair must differ in the logits: under it (odds 1.1 to 1) the ratio is of what rounding leaves."""
Masks = Mapping[Region, Bool[np.ndarray, "t s s"]]
Grids = dict[Region, Float64[np.ndarray, "t g g"]]


@dataclass(frozen=True, eq=False)
class Swaps:
    """What the parts of B's face do in A.

    Attributes:
        labels: the logit of the first less that of the second is z: B's and A's likeliest; where these are one label,
            the one that B gains most and the one that it loses most.
        ends: z of A and of B.
        patches: how many places of a frame's grid each part has, the mean over frames.
        differs: how far A and B are apart in each part's patches, the mean absolute difference as a share of the
            range of 8 bits, in [0, 1]: a minimal pair differs in one part. NaN for a part without a patch.
        effects: of every part, before each of the l blocks; NaN for a part without a patch.
    """

    labels: tuple[str, str]
    ends: tuple[float, float]
    patches: dict[str, float]
    differs: dict[str, float]
    effects: dict[str, Float64[np.ndarray, " l"]]

    def to_dict(self) -> dict[str, Any]:
        """As explain.json has it."""
        parts = {
            part: {
                "patches": round(self.patches[part], 2) if part in self.patches else None,
                "differs": round(self.differs[part], 4) if part in self.differs else None,
                "effects": effects.round(4).tolist(),
            }
            for part, effects in self.effects.items()
        }
        for_label, against = self.labels
        z_a, z_b = (round(end, 4) for end in self.ends)
        return {"label": for_label, "against": against, "of_source": z_a, "of_with": z_b, "parts": parts}


def swaps(model: LoadedModel, a: FaceClip, b: FaceClip, masks: Masks | None = None) -> Swaps:
    """The effect of every part of ``b``'s face in ``a``, before every block.

    Args:
        model: an S2D, not folded.
        a: aligned crops that are changed.
        b: as many crops, cut and aligned likewise.
        masks: regions of the face, for both; None: those of each face's own landmarks.

    Raises:
        ConfigError: the model is no S2D, is folded or has no landmark net to draw regions with; the clips differ in
            length; or their logits differ by less than :data:`LEAST`.
    """
    net = readable(model)
    if a.images.shape != b.images.shape:
        got = f"{len(a.images)} and {len(b.images)} of {a.images.shape[-1]} and {b.images.shape[-1]} pixels"
        raise ConfigError("two clips of as many crops of one size", got, "take two pictures, or films of one length")
    if masks is None and model.network.landmarks is None:
        fix = "take a model that has one, or --method occlusion"
        raise ConfigError("a model with a landmark net, to draw regions", model.record.name, fix)
    logits_a, logits_b = (model.logits(clip.images[None])[0] for clip in (a, b))
    gains, loses = _labels(logits_a, logits_b)
    z_a, z_b = (float(logits[gains] - logits[loses]) for logits in (logits_a, logits_b))
    names = model.record.labels.labels
    if abs(z_b - z_a) < LEAST:
        got = f"{names[gains]} against {names[loses]}: {z_a:.3f} and {z_b:.3f}"
        raise ConfigError(f"a pair whose logits differ by {LEAST} at least", got, "take pictures that differ more")
    grid = model.record.preprocessing.input_size // net.config.patch
    parts = _parts([_grids(model, clip, masks, grid) for clip in (a, b)])
    rows = _tokens(parts)
    blocks = [_swapped(model, a, b, block, rows, (gains, loses)) for block in range(len(net.backbone.blocks))]
    effects = np.stack(blocks, axis=1)
    scaled = (effects - z_a) / (z_b - z_a)
    filled = {part for part in rows if part not in parts or parts[part].any()}
    return Swaps(
        labels=(names[gains], names[loses]),
        ends=(z_a, z_b),
        patches={part: float(places.sum(axis=(1, 2)).mean()) for part, places in parts.items()},
        differs=_apart(a, b, parts),
        effects={
            part: row if part in filled else np.full_like(row, np.nan) for part, row in zip(rows, scaled, strict=True)
        },
    )


def _labels(a: Float64[np.ndarray, " c"], b: Float64[np.ndarray, " c"]) -> tuple[int, int]:
    """B's likeliest label and A's; of a pair with one, what gains and what loses most."""
    gains, loses = int(b.argmax()), int(a.argmax())
    return (gains, loses) if gains != loses else (int((b - a).argmax()), int((b - a).argmin()))


def _grids(model: LoadedModel, clip: FaceClip, masks: Masks | None, grid: int) -> Grids:
    """How much of each patch every region covers, in [0, 1]."""
    found = region_masks(model.points(clip.images), clip.images.shape[-1]) if masks is None else masks
    size = (grid, grid)
    return {
        name: np.stack([cv2.resize(one.astype(np.float64), size, interpolation=cv2.INTER_AREA) for one in mask])
        for name, mask in found.items()
    }


def _parts(grids: list[Grids]) -> dict[str, Bool[np.ndarray, "t g g"]]:
    """The patches of every region of the two faces together, and of elsewhere; each patch has one part.

    A patch is of the region that covers most of it; regions that cover less than half of it leave it elsewhere.
    """
    covers = {name: (grids[0][name] + grids[1][name]) / 2 for name in grids[0]}
    shares = np.stack(list(covers.values()))
    belongs, covered = shares.argmax(0), shares.sum(0) >= 0.5
    parts: dict[str, Bool[np.ndarray, "t g g"]] = {
        name: covered & (belongs == place) for place, name in enumerate(covers)
    }
    return {**parts, ELSEWHERE: ~covered}


def _tokens(parts: dict[str, Bool[np.ndarray, "t g g"]]) -> dict[str, Bool[np.ndarray, "t m"]]:
    """Which tokens a row swaps, the class token first."""
    places = {name: part.reshape(len(part), -1) for name, part in parts.items()}
    frames, patches = next(iter(places.values())).shape
    rows = {name: np.pad(part, ((0, 0), (1, 0))) for name, part in places.items()}
    every = np.pad(np.ones((frames, patches), np.bool_), ((0, 0), (1, 0)))
    return {**rows, ALL_PATCHES: every, CLASS_TOKEN: ~every}


def _apart(a: FaceClip, b: FaceClip, parts: dict[str, Bool[np.ndarray, "t g g"]]) -> dict[str, float]:
    apart = np.abs(a.images.astype(np.float64) - b.images).mean(axis=1) / 255
    side = apart.shape[-1]
    answer = {}
    for name, part in parts.items():
        inside = np.arange(side) * part.shape[-1] // side
        pixels = part[:, inside][:, :, inside]
        answer[name] = float(apart[pixels].mean()) if pixels.any() else np.nan
    return answer


def _swapped(
    model: LoadedModel,
    a: FaceClip,
    b: FaceClip,
    block: int,
    rows: dict[str, Bool[np.ndarray, "t m"]],
    labels: tuple[int, int],
) -> Float64[np.ndarray, " r"]:
    """z of A, every row of tokens being B's before ``block``: B and A's copies go through the network together."""
    device = next(model.network.parameters()).device
    nobody = np.zeros_like(next(iter(rows.values())))
    taken = torch.from_numpy(np.concatenate([nobody, *rows.values()])).to(device)
    clips = np.stack([b.images, *[a.images] * len(rows)])
    frames = len(b.images)

    def mixed(tokens: Tensor, patches: bool) -> Tensor:
        """B's tokens, the first clip's, where they are taken."""
        of_b = tokens[:frames].repeat(len(clips), 1, 1)
        return torch.where(taken[:, 1:, None] if patches else taken[..., None], of_b, tokens)

    with listening(_hooks(readable(model), block, mixed)):
        logits = model.logits(clips)[1:]
    answer: Float64[np.ndarray, " r"] = logits[:, labels[0]] - logits[:, labels[1]]
    return answer


def _hooks(net: S2D, block: int, mixed: Callable[[Tensor, bool], Tensor]) -> list[RemovableHandle]:
    """Swap what enters a block, and what goes beside it to the next: the prompt, or the landmark tokens of fusions."""

    def enters(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (mixed(inputs[0], False), *inputs[1:])

    def prompts(_: nn.Module, __: tuple[Any, ...], prompt: Tensor) -> Tensor:
        return mixed(prompt, True)

    def fuses(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0], mixed(inputs[1], True))

    handles = [net.backbone.blocks[block].register_forward_pre_hook(enters)]
    if net.config.fused == "mcp":
        handles.append(net.prompters[block].register_forward_hook(prompts))
    later = [place for place, at in enumerate(net.config.fused_at) if at > block]
    return handles + [net.fusions[place].register_forward_pre_hook(fuses) for place in later]
