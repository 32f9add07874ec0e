"""The recogniser (networks + preprocessing) and its one file: safetensors with a record in the header."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mien.core.errors import ConfigError, NoLandmarksError, WeightsError
from mien.core.files import whole_file
from mien.models.anchors import ReliabilityBalance, corrected
from mien.models.heads import Head, answer_for, build_heads, reads_middle, reads_tail, reads_tokens, with_heads
from mien.models.landmarks import LandmarkTail, MobileFaceNet, landmark_input, tail_of
from mien.models.net import Answer, Net
from mien.models.nets import build, config_of
from mien.models.preprocess import normalise, to_frames, to_unit
from mien.models.record import GET_AGAIN, ModelRecord, Preprocessing, read_record

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored as."""


class Recognizer(nn.Module):
    """Aligned uint8 crops to logits: preprocessing, landmark net, network.

    The network is a part by its own name, ``s2d`` or another of :data:`mien.models.nets.NETS`, which its tensors have
    before theirs in a file (``points_net`` where a recogniser has something else of that name); whatever its name, it
    is :attr:`net`.

    Args:
        net: image or video model.
        landmarks: the landmark net; None for a model that needs no map of it, nor has a head that reads its tail.
        preprocessing: how crops become input.
        heads: on its feature, by the signal they say.
        says: signals in the order of :meth:`outputs`; empty: the heads'.
        balance: corrects the logits by the feature, the last step of all; None: they are the network's.
    """

    def __init__(
        self,
        net: Net,
        landmarks: MobileFaceNet | None,
        preprocessing: Preprocessing,
        heads: Mapping[str, Head] | None = None,
        says: Sequence[str] = (),
        balance: ReliabilityBalance | None = None,
    ) -> None:
        super().__init__()
        self.network: str = net.config.network
        self.put(net)
        self.landmarks, self.preprocessing, self.balance = landmarks, preprocessing, balance
        self.heads, self.says = nn.ModuleDict(dict(heads or {})), tuple(says or heads or ())
        self.tail = LandmarkTail() if reads_tail(self.heads.values()) else None
        if self.tail is not None and landmarks is None:
            raise ConfigError("a network with a landmark net for such a head", "none", "choose another kind of head")
        lacks = reads_tokens(self.heads.values()) and not net.gives_tokens
        if lacks or (reads_middle(self.heads.values()) and not net.gives_middle):
            raise ConfigError("a network with tokens for such a head", self.network, "choose another kind of head")

    @property
    def net(self) -> Any:
        """The network: a :class:`mien.models.net.Net`, or what was :meth:`put` in the place of one."""
        return getattr(self, self._place)

    def put(self, net: nn.Module) -> None:
        """Put another network of the same function in its place."""
        setattr(self, self._place, net)

    @property
    def _place(self) -> str:
        return f"{self.network}_net" if hasattr(Recognizer, self.network) else self.network

    def forward(self, clips: UInt8[Tensor, "b t 3 h w"]) -> Float[Tensor, "b c"]:
        """Logits of b clips of t aligned RGB crops."""
        return self.logits(self._frames(clips))

    def outputs(self, clips: UInt8[Tensor, "b t 3 h w"], says: Sequence[str] | None = None) -> Float[Tensor, "b m"]:
        """Logits, then the signals that are asked for (None: all), before softmax and sigmoid."""
        says = self.says if says is None else says
        answer = self.answer(self._frames(clips), says)
        return torch.cat([answer.logits, *(answer.signals[name] for name in says)], 1)

    def _frames(self, clips: UInt8[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t 3 s s"]:
        frames = normalise(to_unit(clips.flatten(0, 1), self.preprocessing), self.preprocessing)
        return frames.view(*clips.shape[:2], *frames.shape[1:])

    def frames_of(self, clips: Float[Tensor, "b t c h w"], size: int | None = None) -> Float[Tensor, "b t 3 s s"]:
        """Clips in [0, 1], of one channel or three and of any side, normalised; None: of the network's own side."""
        frames = to_frames(clips.flatten(0, 1), size or self.preprocessing.input_size, self.preprocessing)
        return frames.view(*clips.shape[:2], *frames.shape[1:])

    def logits(self, frames: Float[Tensor, "b t 3 s s"]) -> Float[Tensor, "b c"]:
        """Logits of frames that are already normalised (training comes in here, after its augmentation)."""
        answer = Answer(*self.net(frames, self.landmark_map(frames.flatten(0, 1))))
        return corrected(self.balance, answer).logits

    def answer(self, frames: Float[Tensor, "b t 3 s s"], says: Sequence[str] | None = None) -> Answer:
        """What is said of frames that are already normalised; of the heads' signals only ``says``, None: all."""
        heads = self.heads if says is None else {name: self.heads[name] for name in says if name in self.heads}
        landmark_map = self.landmark_map(frames.flatten(0, 1))
        tail = tail_of(self.tail, landmark_map, len(frames)) if reads_tail(heads.values()) else None
        answer = with_heads(answer_for(heads.values(), self.net, frames, landmark_map), heads, tail)
        return corrected(self.balance, answer)

    def landmark_map(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 128 14 14"] | None:
        """The frozen landmark net's map of normalised images; None for a model without prompts."""
        if self.landmarks is None:
            return None
        with torch.no_grad():
            return self.landmarks.landmark_map(landmark_input(images))

    def points(self, crops: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 68 2"]:
        """68 landmarks of aligned crops as fractions of the side. Raises NoLandmarksError without the net."""
        if self.landmarks is None:
            raise NoLandmarksError("a model with a landmark net", "one without prompts", "use the default model")
        with torch.no_grad():
            images = normalise(to_unit(crops, self.preprocessing), self.preprocessing)
            points: Tensor = self.landmarks(landmark_input(images))[0]
        return points

    def train(self, mode: bool = True) -> Recognizer:
        """As usual, but the landmark net stays in eval mode: its batch statistics are frozen."""
        super().train(mode)
        if self.landmarks is not None:
            self.landmarks.eval()
        return self


def save_weights(
    recognizer: Recognizer, record: ModelRecord, path: Path, dtype: torch.dtype | None = None
) -> ModelRecord:
    """Write weights and record to ``path``, atomically; the record comes back with what the file adds to it.

    Args:
        recognizer: the networks.
        record: labels, signals, calibration and origin; shape, preprocessing and count are filled in from the networks.
        path: ``.safetensors`` file; its folder is made when missing.
        dtype: store floating-point tensors so (``torch.float16`` halves the file); None keeps theirs.
    """
    record = dataclasses.replace(
        record,
        network=recognizer.network,
        config=recognizer.net.config.recorded(),
        preprocessing=recognizer.preprocessing,
        anchors=recognizer.balance.count if recognizer.balance is not None else 0,
        parameters=sum(p.numel() for p in recognizer.parameters()),
    )
    state = {
        k: v.detach().contiguous() for k, v in recognizer.state_dict().items() if not k.endswith("num_batches_tracked")
    }
    if dtype is not None:
        state = {k: v.to(dtype) if v.dtype.is_floating_point else v for k, v in state.items()}
    return _write(state, record, path)


def _write(state: dict[str, Tensor], record: ModelRecord, path: Path) -> ModelRecord:
    with whole_file(path) as draft:
        write_tensors(state, {"mien": record.to_json()}, draft)
    return read_record(path)


def write_tensors(state: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    """A safetensors file that others may read as far as new files here may be: safetensors' own writer hides it."""
    path.write_bytes(save(state, metadata))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, whoever wrote it.

    Raises:
        WeightsError: missing or torn, or with numbers that are none.
    """
    try:
        state: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        got = f"{path}: {str(error)[:200]}"
        raise WeightsError("a readable .safetensors file", got, "copy or download it again") from error
    broken = [name for name, tensor in state.items() if tensor.dtype in FLOATS and not _is_finite(tensor)]
    if broken:
        got = f"{path}: NaN or infinity in {len(broken)} tensors, e.g. {', '.join(broken[:3])}"
        raise WeightsError("weights that are numbers", got, "get the file again, or an earlier one")
    return state


def _is_finite(tensor: Tensor) -> bool:
    """In float32. A sum is ten times as quick as a look at every number (7 ms for s2d-small), and NaN and infinity
    stay in it; where it is none although all are numbers, they are looked at."""
    return math.isfinite(tensor.sum(dtype=torch.float32).item()) or bool(tensor.float().isfinite().all())


def load_weights(path: Path) -> tuple[Recognizer, ModelRecord]:
    """Read a file of :func:`save_weights` into a recogniser in eval mode, float32.

    Raises:
        WeightsError: missing, torn, tensors that do not fit the record, or numbers that are none.
    """
    record = read_record(path)
    state = read_tensors(path)
    with torch.device("meta"):  # no random numbers are drawn only to be overwritten
        net: Net = build(config_of(record.network, record.config))
        heads = build_heads(record.heads, record.signals, net.config.dim, record.texts)
        landmarks = MobileFaceNet() if "landmark_map" in net.needs or reads_tail(heads.values()) else None
        says = [signal.name for signal in record.signals]
        classes = len(record.labels)
        balance = ReliabilityBalance(classes, record.anchors, net.config.dim) if record.anchors else None
        recognizer = Recognizer(net, landmarks, record.preprocessing, heads, says, balance)
    if unsaid := set(says) - set(heads) - set(net.says):
        raise WeightsError("a network or a head for every signal", f"{path}: none for {', '.join(unsaid)}", GET_AGAIN)
    wanted = recognizer.state_dict()
    counters = {k: torch.zeros((), dtype=torch.int64) for k in wanted if k.endswith("num_batches_tracked")}
    wrong = sorted(wanted.keys() - counters.keys() ^ state.keys()) or [
        k for k in state if state[k].shape != wanted[k].shape or state[k].dtype not in FLOATS
    ]
    if wrong:
        got = f"{path}: {len(wrong)} that do not, e.g. {', '.join(wrong[:3])}"
        raise WeightsError("tensors that fit the record", got, "the file is not what it says: get it again")
    state = {k: v.float() for k, v in state.items()}
    recognizer.load_state_dict({**state, **counters}, assign=True)
    return recognizer.eval().requires_grad_(False), record
