"""Checkpoints of the released code of S2D and POSTER++ to mien's weights: strict, with the key map as the answer.

An image checkpoint has ``norm.*`` where a video checkpoint has ``ln_post.*``; both may carry the landmark net under a
prefix with ``landmark`` in it and a ``weak_head`` that neither model uses. A POSTER++ checkpoint (known by its
``VIT.`` names) carries 24 tensors that nothing reads. Anything else unexplained is an error.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mien.core import checks
from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.models.landmarks import MobileFaceNet
from mien.models.net import Net
from mien.models.nets import build
from mien.models.poster import PosterConfig
from mien.models.record import ModelRecord, Preprocessing
from mien.models.shape import S2DConfig
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, save_weights

_RULES = [
    (r"cls_token|pos_embed|patch_embed\.proj\.(?:weight|bias)|blocks\.\d+\..+", r"backbone.\g<0>"),
    (r"(?:ln_post|norm)\.(weight|bias)", r"backbone.norm.\1"),
    (r"temporal_embedding", "temporal_embed"),
    (r"patch_embed_prompt\.proj\.(weight|bias)", r"landmark_embed.proj.\1"),
    (r"prompt_norms\.\d+\.(?:weight|bias)", r"\g<0>"),
    (r"prompt_blocks\.(\d+)\.conv0_0\.(weight|bias)", r"prompters.\1.visual.\2"),
    (r"prompt_blocks\.(\d+)\.conv0_1\.(weight|bias)", r"prompters.\1.landmark.\2"),
    (r"prompt_blocks\.(\d+)\.conv1x1\.(weight|bias)", r"prompters.\1.out.\2"),
    (r"prompt_blocks\.(\d+)\.fovea\.smooth", r"prompters.\1.smooth"),
    (r"prompt_blocks\.(\d+)\.TMA\.T_Adapter\.D_fc1\.(weight|bias)", r"adapters.\1.temporal.down.\2"),
    (r"prompt_blocks\.(\d+)\.TMA\.T_Adapter\.D_fc2\.(weight|bias)", r"adapters.\1.temporal.up.\2"),
    (r"prompt_blocks\.(\d+)\.TMA\.T_Adapter\.attn\.(.+)", r"adapters.\1.temporal.attn.\2"),
    (r"prompt_blocks\.(\d+)\.TMA\.norm\.(weight|bias)", r"adapters.\1.norm.\2"),
    (r"prompt_blocks\.(\d+)\.TMA\.S_Adapter\.D_fc1\.(weight|bias)", r"adapters.\1.token.down.\2"),
    (r"prompt_blocks\.(\d+)\.TMA\.S_Adapter\.D_fc2\.(weight|bias)", r"adapters.\1.token.up.\2"),
    (r"head\.(?:fc_cls\.)?(weight|bias)", r"head.\1"),
]
_POSTER_RULES = [
    (r"face_landback\.(.+)", r"landmarks.\1"),
    (r"ir_back\.input_layer\.(.+)", r"trunk.stem.\1"),
    *((rf"ir_back\.body{n + 1}\.(\d+)\.res_layer\.(.+)", rf"trunk.stages.{n}.\1.residual.\2") for n in range(3)),
    *((rf"ir_back\.body{n + 1}\.(\d+)\.shortcut_layer\.(.+)", rf"trunk.stages.{n}.\1.shortcut.\2") for n in range(3)),
    *((rf"conv{n + 1}\.(.+)", rf"narrow.{n}.\1") for n in range(3)),
    *((rf"window{n + 1}\.norm\.(.+)", rf"fusions.{n}.norm1.\1") for n in range(3)),
    *((rf"attn{n + 1}\.relative_position_bias_table", rf"fusions.{n}.attn.table") for n in range(3)),
    *((rf"attn{n + 1}\.qkv\.(.+)", rf"fusions.{n}.attn.kv.\1") for n in range(3)),
    *((rf"attn{n + 1}\.(proj\..+)", rf"fusions.{n}.attn.\1") for n in range(3)),
    *((rf"ffn{n + 1}\.norm\.(.+)", rf"fusions.{n}.norm2.\1") for n in range(3)),
    *((rf"ffn{n + 1}\.((?:gamma|mlp).+)", rf"fusions.{n}.\1") for n in range(3)),
    (r"last_face_conv\.(.+)", r"last_landmarks.\1"),
    (r"embed_q\.(.+)", r"widen.0.\1"),
    (r"embed_k\.(.+)", r"widen.1.\1"),
    (r"embed_v\.proj\.(.+)", r"widen.2.0.\1"),
    (r"VIT\.(cls_token|pos_embed|norm\..+|blocks\.\d+\.(?:norm|attn|mlp).+)", r"\1"),
    (r"VIT\.se_block\.linear([12])\.(.+)", r"squeeze.fc\1.\2"),
    (r"VIT\.head\.linear\.(.+)", r"head.\1"),
]
_POSTER_UNREAD = re.compile(
    r"(?:.*\.)?num_batches_tracked$|attn\d\.relative_position_index$|ir_back\.output_layer\."
    r"|VIT\.(?:patch_embed|eca_block|CON1|IRLinear[12]|blocks\.\d+\.conv)\."
)
_POINTWISE = re.compile(r"landmark_embed\.proj|prompters\.\d+\.(?:visual|landmark|out)")
_IGNORED = re.compile(r"weak_head\.|(?:.*\.)?num_batches_tracked$")
HEAD_WIDTH, POSTER_HEAD_WIDTH = 64, 96
"""Of ViT's attention heads: the one thing that no tensor's shape tells."""
_SPACES = {7: "dfew", 8: "ferplus", 11: "mafw"}


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes:
        path: the file written.
        key_map: (official name, our name) of every tensor; ours is "" for one that is not needed.
        record: the record written with the weights.
    """

    path: Path
    key_map: list[tuple[str, str]]
    record: ModelRecord


def convert_key(official: str) -> str:
    """Our name for a parameter of the released code; "" for one we do not need. Raises WeightsError for a stranger."""
    name = official.removeprefix("module.")
    if _IGNORED.match(name):
        return ""
    if "landmark" in name:
        return "landmarks." + re.sub(r"^.*?landmark\w*\.", "", name)
    for pattern, ours in _RULES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    raise WeightsError(
        "a parameter of S2D's image or video model", repr(official), "check that this is such a checkpoint"
    )


def convert_poster_key(official: str) -> str:
    """:func:`convert_key` for a parameter of POSTER++."""
    name = official.removeprefix("module.")
    if _POSTER_UNREAD.match(name):
        return ""
    for pattern, ours in _POSTER_RULES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    raise WeightsError("a parameter of POSTER++", repr(official), "check that this is such a checkpoint")


def convert_state(official: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[tuple[str, str]]]:
    """All tensors under our names (1x1 convolutions as linear maps), and the key map."""
    is_poster = any(name.removeprefix("module.").startswith("VIT.") for name in official)
    convert = convert_poster_key if is_poster else convert_key
    key_map = [(name, convert(name)) for name in official]
    state = {ours: official[name] for name, ours in key_map if ours}
    for name, tensor in state.items():
        if _POINTWISE.match(name) and tensor.ndim == 4:
            state[name] = tensor.flatten(1)
    return state, key_map


def config_of(state: dict[str, Tensor]) -> S2DConfig | PosterConfig:
    """The network's shape, read from converted tensors.

    Raises:
        WeightsError: they are not a model's that is known here.
        ConfigError: a shape that no such model has.
    """
    return _poster_of(state) if "trunk.stem.0.weight" in state else _s2d_of(state)


def _poster_of(state: dict[str, Tensor]) -> PosterConfig:
    names = [name.split(".") for name in state]
    units = (len({part[3] for part in names if part[:3] == ["trunk", "stages", str(stage)]}) for stage in range(3))
    try:
        classes, dim = state["head.weight"].shape
    except (LookupError, ValueError) as error:
        raise WeightsError("the tensors of POSTER++", f"none for {error}", "check the checkpoint") from error
    depth = len({part[1] for part in names if part[0] == "blocks"})
    heads = max(dim // POSTER_HEAD_WIDTH, 1)
    return PosterConfig(classes=classes, units=tuple(units), dim=dim, depth=depth, heads=heads)


def _s2d_of(state: dict[str, Tensor]) -> S2DConfig:
    try:
        dim, _, patch, _ = state["backbone.patch_embed.proj.weight"].shape
        _, places, _ = state["backbone.pos_embed"].shape
        classes, _ = state["head.weight"].shape
        frames = state["temporal_embed"].shape[1] if "temporal_embed" in state else None
        width = dim / 4 if frames is None else state["adapters.0.temporal.down.weight"].shape[0]
    except (LookupError, ValueError) as error:
        raise WeightsError("the tensors of an S2D model", f"none for {error}", "check the checkpoint") from error
    return S2DConfig(
        input_size=math.isqrt(max(places - 1, 0)) * patch,
        patch=patch,
        dim=dim,
        depth=len({name.split(".")[2] for name in state if name.startswith("backbone.blocks.")}),
        heads=max(dim // HEAD_WIDTH, 1),
        classes=classes,
        frames=frames,
        prompts="prompters.0.smooth" in state,
        adapter_ratio=width / max(dim, 1),
    )


def convert_checkpoint(path: Path, out: Path, *, name: str | None = None, labels: str | None = None) -> Conversion:
    """Convert a released ``.pth`` into ``out/<name>.safetensors``.

    Args:
        path: the checkpoint; read with ``weights_only=True``, so it cannot run code.
        out: folder for the result, made when missing.
        name: name of the model; the checkpoint's file name by default.
        labels: label space; by default, of S2D, the one with that many classes (7: dfew, 8: ferplus, 11: mafw).

    Raises:
        WeightsError: missing, truncated, another model's, or without the landmark net it needs.
        ConfigError: a label space that does not fit the head, or a name that is not a file's.
    """
    checks.file_name("name of the model", name or path.stem)
    state, key_map = convert_state(_read(path))
    config = config_of(state)
    is_s2d, code = isinstance(config, S2DConfig), "S2D" if isinstance(config, S2DConfig) else "POSTER++"
    if not is_s2d and labels is None:  # its sets have seven classes in as many orders
        raise ConfigError("the label space of a POSTER++ checkpoint", "none", "name it, such as --labels rafdb")
    space = _label_space(config.classes, labels)
    with torch.device("meta"):  # no memory is taken before the shapes fit
        network: Net = build(config)
        landmark_net = MobileFaceNet() if "landmark_map" in network.needs else None
    apart = {k for k in state if is_s2d and k.startswith("landmarks.")}
    landmarks = {k.removeprefix("landmarks."): state[k] for k in apart}
    _load(network, {k: v for k, v in state.items() if k not in apart}, path)
    if landmark_net is not None:
        if not landmarks:
            fix = "use a checkpoint that carries its landmark net (keys with 'landmark')"
            raise WeightsError("the landmark net inside the checkpoint", f"none in {path}", fix)
        _load(landmark_net, landmarks, path)
    record = ModelRecord(
        name=name or path.stem,
        labels=space,
        preprocessing=Preprocessing(config.input_size, config.input_size),
        config={},
        frames=config.frames or 16,
        trained_on=f"converted from {path.name} of the released {code} code",
        licence="that of the checkpoint it was converted from",
    )
    target = out / f"{record.name}.safetensors"
    record = save_weights(Recognizer(network, landmark_net, record.preprocessing), record, target)
    return Conversion(target, key_map, record)


def _read(path: Path) -> dict[str, Tensor]:
    expected = "a checkpoint of the released code (.pth with 'model', 'model_state_dict' or 'state_dict')"
    content = read_torch(path)
    for key in ("model", "model_state_dict", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise WeightsError(expected, f"{path}: no dictionary of tensors", "check that this is such a checkpoint")
    if any(tensor.layout is not torch.strided or tensor.is_quantized for tensor in content.values()):
        raise WeightsError(expected, f"{path}: sparse or quantized tensors", "save it with plain ones")
    return {str(k): v for k, v in content.items()}


def _load(module: torch.nn.Module, state: dict[str, Tensor], path: Path) -> None:
    # Counters of batch norm steps have no use at inference and are dropped on the way.
    own = module.state_dict()
    counters = {k: torch.zeros((), dtype=v.dtype) for k, v in own.items() if k.endswith("num_batches_tracked")}
    state = {**counters, **state}
    wrong = sorted(set(own) ^ set(state)) or [k for k in own if own[k].shape != state[k].shape]
    if wrong:
        got = f"{path}: {len(wrong)} tensors missing, left over or of another shape, e.g. {', '.join(wrong[:3])}"
        raise WeightsError(f"exactly the tensors of {type(module).__name__}", got, "check the checkpoint")
    broken = [k for k, v in state.items() if not v.isfinite().all()]
    if broken:
        got = f"{path}: NaN or infinity in {len(broken)} tensors, e.g. {', '.join(broken[:3])}"
        raise WeightsError("weights that are numbers", got, "download the checkpoint again")
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in state.items()}, assign=True)


def _label_space(classes: int, labels: str | None) -> LabelSpace:
    if labels is None and classes not in _SPACES:
        raise ConfigError("a label space for the head", f"{classes} classes", "name one with --labels")
    space = LABEL_SPACES[labels or _SPACES[classes]]
    if len(space) != classes:
        raise ConfigError(f"a label space with {classes} labels", f"{space.name} with {len(space)}", "name another")
    return space
