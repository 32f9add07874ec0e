"""What a run starts from: weights of mien, a plain ViT, or random numbers; an image model becomes a video model."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.models.find import find_weights
from mien.models.landmarks import MobileFaceNet
from mien.models.net import Net
from mien.models.nets import NetConfig, build
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, to_video
from mien.models.shape import S2DConfig
from mien.models.vit import VisionTransformer, resize_positions
from mien.models.weights import Recognizer, load_weights, read_tensors
from mien.models.window import resize_table

NUMBERED = re.compile(r"(backbone\.blocks|prompters|prompt_norms|adapters)\.(\d+)\.(.+)")
"""Parameters that every block has of its own."""


def load_backbone(s2d: S2D, path: Path) -> None:
    """:func:`load_trunk` into the trunk of a network."""
    load_trunk(s2d.backbone, s2d.config.grid, path)


def load_trunk(trunk: VisionTransformer, grid: int, path: Path) -> None:
    """Initial ViT weights with timm names: the first blocks of a deeper one, positions resampled to grid x grid.

    Raises:
        DataError: missing, or of another width or patch.
        WeightsError: torn.
    """
    if not path.is_file():
        raise DataError("a .safetensors file with ViT weights (timm names)", f"no file at {path}", "check the path")
    state = {name: tensor.float() for name, tensor in read_tensors(path).items()}
    own = trunk.state_dict()
    if "pos_embed" in state and _is_square(state["pos_embed"]):
        state["pos_embed"] = resize_positions(state["pos_embed"], grid)
    kept = {name: tensor for name, tensor in state.items() if name in own}
    wrong = sorted(own.keys() - kept.keys()) or [k for k in own if own[k].shape != kept[k].shape]
    if wrong:
        raise DataError(
            "weights that fit the model", f"{path}: not for {', '.join(wrong[:3])}", "change the model's shape"
        )
    trunk.load_state_dict(kept)


def _is_square(positions: torch.Tensor) -> bool:
    """Whether that is a table of positions of a class token and a square of patches."""
    if positions.ndim != 3 or len(positions) != 1:
        return False
    patches = positions.shape[1] - 1
    return patches > 0 and math.isqrt(patches) ** 2 == patches


def state_of_blocks(s2d: S2D, keep: Sequence[int]) -> dict[str, torch.Tensor]:
    """The weights of a model that has only some of its blocks.

    Args:
        s2d: with all of them.
        keep: which, in order.
    """
    norms = [0, *keep[1:]]  # the first norm is that of every block's prompt: it stays the first
    state: dict[str, torch.Tensor] = {}
    for name, tensor in s2d.state_dict().items():
        found = NUMBERED.match(name)
        if found is None:
            state[name] = tensor
            continue
        part, number, rest = found.groups()
        taken = norms if part == "prompt_norms" else keep
        state |= {f"{part}.{place}.{rest}": tensor for place, block in enumerate(taken) if block == int(number)}
    return state


def load_landmarks(source: str | Path) -> MobileFaceNet:
    """The frozen landmark net of a landmark run (``landmarks.safetensors``) or of weights of mien.

    Raises:
        DataError, WeightsError, ConfigError: there is none.
    """
    path = Path(source)
    if not is_bare(path):
        net = load_weights(find_weights(source))[0].landmarks
        if net is None:
            raise DataError("weights with a landmark net", str(source), "make one with `mien train landmarks`")
        return net
    return read_landmark_net(path)


def read_landmark_net(path: Path) -> MobileFaceNet:
    """A frozen MobileFaceNet-68 from a file of its tensors alone. Raises DataError where there is none, or another."""
    if not path.is_file():
        raise DataError("a MobileFaceNet-68 .safetensors file", f"no file at {path}", "check the path")
    net = MobileFaceNet()
    counters = {k: v for k, v in net.state_dict().items() if k.endswith("num_batches_tracked")}
    try:
        net.load_state_dict({**counters, **read_tensors(path)})
    except RuntimeError as error:
        raise DataError("MobileFaceNet-68 weights", f"{path}: {str(error)[:200]}", "check the file") from error
    return net.eval().requires_grad_(False)


def start_recognizer(
    config: NetConfig | None,
    changes: dict[str, Any],
    labels: LabelSpace,
    start: str | None,
    landmarks: str,
    preprocessing: Preprocessing,
    zero_init: bool = True,
) -> Recognizer:
    """The networks a run begins with.

    Args:
        config: their shape; None for that of the weights.
        changes: fields of it to change, see :func:`_changes_of`; the number of classes is that of the labels.
        labels: the classes to learn.
        start: weights of mien (name, file, folder or hub address), or a plain ViT's ``.safetensors``; None: random.
        landmarks: see :func:`load_landmarks`; empty: that of the weights, of s2d-small where they bring none; unread
            where there are no prompts.
        preprocessing: how crops become input, for a model that brings none; else only its crop size counts.
        zero_init: whether fresh temporal parts add nothing at first.

    Raises:
        ConfigError: neither a shape nor weights that have one, or two that differ.
        DataError, WeightsError: files that do not fit.
    """
    changes = {**changes, "classes": len(labels)}
    if start is not None and not is_bare(Path(start)):
        begun = _from_weights(config, changes, labels, start, preprocessing, zero_init)
        if landmarks and (begun.landmarks is not None or begun.net.fixed):
            given = load_landmarks(landmarks).requires_grad_(False)
            begun.net.take_landmarks(given)
            if begun.landmarks is not None:
                begun.landmarks = given
        return begun
    if config is None:
        raise ConfigError("--recipe.model, or --start with weights of mien", "neither", "give one of them")
    wanted: Any = replace(config, **_changes_of(config, changes))  # type: ignore[type-var]
    net: Net = S2D(wanted, zero_init) if isinstance(wanted, S2DConfig) else build(wanted)
    if start is not None:
        if not isinstance(net, S2D):
            raise ConfigError("weights of mien to start from", start, "a plain ViT starts an s2d network only")
        load_backbone(net, Path(start))
    eyes = None
    if "landmark_map" in net.needs or net.fixed:
        eyes = load_landmarks(landmarks or "s2d-small").requires_grad_(False)
        net.take_landmarks(eyes)
    return Recognizer(
        net, eyes if "landmark_map" in net.needs else None, replace(preprocessing, input_size=wanted.input_size)
    )


def _changes_of(config: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Those of ``changes`` that the shape has a field for; prompts, and what asks for nothing, may be left out.

    Raises:
        ConfigError: another one is asked of a network that has no such part.
    """
    known = {one.name for one in fields(config)}
    lacking = [name for name, value in changes.items() if name not in known and name != "prompts" and value]
    if lacking:
        flags = ", ".join("temporal" if name == "frames" else name.replace("_", "-") for name in lacking)
        expected = f"a network with {', '.join(lacking)} for --recipe.{flags}"
        raise ConfigError(expected, f"{config.network} without", f"switch {flags} off, or give the shape such a field")
    return {name: value for name, value in changes.items() if name in known}


def is_bare(path: Path) -> bool:
    """Whether a file has tensors alone, without mien's record."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            return "mien" not in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise DataError("a readable .safetensors file", f"{path}: {error}", "copy it again") from error


FREE = ("dropout", "drop_path", "input_size", "depth", "frames", "classes", "adapter_ratio")
"""Fields of a shape in which weights may differ from the model that begins with them."""


def demand_no_anchors(record: ModelRecord, start: str) -> None:
    """Raise ConfigError for weights whose answers anchors correct: they were learned with the head as it is."""
    if record.anchors:
        fix = "use what they started from, or give them heads: `mien train heads`"
        raise ConfigError("weights without anchors, which a new start would lose", start, fix)


def _from_weights(
    config: NetConfig | None,
    changes: dict[str, Any],
    labels: LabelSpace,
    start: str,
    preprocessing: Preprocessing,
    zero_init: bool,
) -> Recognizer:
    old, record = load_weights(find_weights(start))
    demand_no_anchors(record, start)
    old.requires_grad_(True)
    has: Any = old.net.config
    begun: Any = config or has
    if type(begun) is not type(has):
        fix = "choose other weights, or the recipe of their network"
        raise ConfigError("weights of a network that the recipe trains", f"{start}: {has.network}", fix)
    wanted: Any = replace(begun, **_changes_of(begun, changes))
    if bool(build_on_paper(wanted).needs) != bool(old.net.needs):
        raise ConfigError("weights that have prompts exactly if the recipe does", start, "change --recipe.prompts")
    free = {name: getattr(has, name) for name in FREE if name in {one.name for one in fields(has)}}
    deeper = getattr(wanted, "depth", 0) > getattr(has, "depth", 0)
    other = len(getattr(wanted, "fused_at", ())) != len(getattr(has, "fused_at", ()))
    if replace(wanted, **free) != has or deeper or other:
        expected = f"weights with the recipe's shape, {wanted}"
        raise ConfigError(expected, f"{start}: {has}", "change --recipe.model, or leave it out")
    net = _grown(old.net, wanted, record.labels, labels, zero_init)
    if old.landmarks is not None:
        old.landmarks.requires_grad_(False)
    given = replace(record.preprocessing, crop_size=preprocessing.crop_size, input_size=wanted.input_size)
    return Recognizer(net, old.landmarks, given)


def _grown(old: Net, wanted: Any, had: LabelSpace, labels: LabelSpace, zero_init: bool) -> Net:
    """A network of the wanted shape with the weights of another: of a deeper S2D some blocks, with time on top."""
    frames = None
    if isinstance(old, S2D):
        has = old.config
        frames = wanted.frames if has.frames is None else None
        wanted = replace(wanted, frames=has.frames, adapter_ratio=has.adapter_ratio)
        # The first and the last are always among them. s2d-small cut to six blocks in this way is right about 81 % of
        # 512 validation images before any training (70 px); its first six blocks alone about 70 %.
        keep = [round(place * (has.depth - 1) / max(wanted.depth - 1, 1)) for place in range(wanted.depth)]
        state = old.state_dict() if wanted.depth == has.depth else state_of_blocks(old, keep)
        state["backbone.pos_embed"] = resize_positions(state["backbone.pos_embed"], wanted.grid)
        tables = [name for name in state if name.startswith("fusions.") and name.endswith(".table")]
        state |= {name: resize_table(state[name], wanted.grid) for name in tables}
    else:
        state = old.state_dict()
    net: Net = build(wanted)
    _keep_head(net.head, state, had, labels)
    net.load_state_dict(state)
    return net if frames is None else to_video(cast(S2D, net), frames, zero_init)


def build_on_paper(config: NetConfig) -> Net:
    """A network without numbers, to ask what it is."""
    with torch.device("meta"):
        net: Net = build(config)
    return net


def _keep_head(head: nn.Linear, state: dict[str, torch.Tensor], old: LabelSpace, new: LabelSpace) -> None:
    """Rows of labels that both spaces know go over; the others start afresh."""
    weight, bias = head.weight.detach().clone(), head.bias.detach().clone()
    for row, place in enumerate(new.to(old)):
        if place is not None:
            weight[row], bias[row] = state["head.weight"][place], state["head.bias"][place]
    state["head.weight"], state["head.bias"] = weight, bias
