"""A small convolutional network over the log-mel spectrogram: from a second of sound to logits, and its weights file.

Four convolutions of 3 x 3, each halving time and frequency; then mean and maximum over time of what is left at every
frequency, since an outburst counts wherever in the window it lies. A design of ours: the published systems put AudioMAE
or VGG-like nets here, whose weights are not free.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from mien.core.errors import WeightsError
from mien.core.files import whole_file
from mien.core.signals import Signal
from mien.models.heads import Plane
from mien.models.record import GET_AGAIN, demand_numbers
from mien.models.sound import KEY, SoundConfig, SoundRecord, log_mels, read_sound_record
from mien.models.weights import read_tensors, write_tensors


class Heard(NamedTuple):
    """What a sound net says of b windows.

    Attributes:
        logits: of the classes.
        feature: what the head reads.
        plane: numbers of a scale, where the net says one.
    """

    logits: Float[Tensor, "b c"]
    feature: Float[Tensor, "b d"]
    plane: Float[Tensor, "b k"] | None = None


class SoundNet(nn.Module):
    """Log-mel spectrograms to logits and a feature.

    Args:
        config: its shape.
        plane: a scale that it says beside; None: none.
    """

    def __init__(self, config: SoundConfig, plane: Signal | None = None) -> None:
        super().__init__()
        self.config = config
        widths = [1, *(config.channels * factor for factor in (1, 2, 4, 4))]
        self.blocks = nn.Sequential(*(_block(a, b) for a, b in pairwise(widths)))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.dim, config.classes)
        nn.init.trunc_normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.plane = None if plane is None else Plane(config.dim, plane)

    def forward(self, mel: Float[Tensor, "b t f"]) -> Heard:
        """Of b spectrograms as :func:`mien.models.sound.log_mel` makes them."""
        x = self.blocks(((mel - self.config.mean) / self.config.scale)[:, None]).transpose(2, 3).flatten(1, 2)
        feature = torch.cat([x.mean(2), x.amax(2)], 1)
        logits = self.head(self.dropout(feature))
        return Heard(logits, feature, None if self.plane is None else self.plane(feature))


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class SoundModel:
    """Weights of a sound net ready for use. A pickle holds the path of the file they were read from, not the net.

    Args:
        net: in eval mode.
        record: what they say about themselves.
    """

    def __init__(self, net: SoundNet, record: SoundRecord) -> None:
        self.net, self.record = net, record

    def __reduce__(self) -> tuple[object, ...]:
        if not self.record.source:
            return SoundModel, (self.net, self.record)
        return _load_again, (self.record.source, self.record.sha256)

    def probabilities(self, waves: Float[np.ndarray, "b n"]) -> Float64[np.ndarray, "b c"]:
        """Of b windows of sound at 16 kHz; rows sum to 1. Raises WeightsError for weights that give no numbers."""
        return self.answers(waves)[:, : len(self.record.labels)]

    def answers(self, waves: Float[np.ndarray, "b n"]) -> Float64[np.ndarray, "b m"]:
        """:meth:`probabilities`, then the scale's numbers, in its range, where the net says one."""
        with torch.inference_mode():
            said = self.net(torch.from_numpy(log_mels(waves, self.record.config.bins)))
        parts = [said.logits.double().softmax(1), *([] if said.plane is None else [said.plane.double()])]
        answer: Float64[np.ndarray, "b m"] = torch.cat(parts, 1).numpy()
        demand_numbers(self.record.name, answer)
        return answer


def _load_again(source: str, sha256: str) -> SoundModel:
    model = load_sound(Path(source))
    if model.record.sha256 != sha256:
        raise WeightsError(f"the sound net {sha256[:16]}", f"{source}, which was changed since", "load it again")
    return model


def save_sound(net: SoundNet, record: SoundRecord, path: Path) -> SoundRecord:
    """Write weights and record to ``path``, atomically; the record comes back with the file's hash."""
    state = {name: part.detach().cpu().contiguous() for name, part in net.state_dict().items() if part.ndim}
    with whole_file(path) as draft:
        write_tensors(state, {KEY: record.to_json()}, draft)
    return read_sound_record(path)


def load_sound(path: Path) -> SoundModel:
    """Read a file of :func:`save_sound`.

    Raises:
        WeightsError: missing, torn, not weights of a sound net, or tensors that do not fit the record.
    """
    record = read_sound_record(path)
    if record.trunk is not None:
        raise WeightsError("a sound net that answers alone", f"{path}, joined to a picture model", "see docs/sound.md")
    state = read_tensors(path)
    net = SoundNet(record.config, None if record.plane is None else record.plane.signal)
    wanted = {name: part.shape for name, part in net.state_dict().items() if part.ndim}
    if wanted != {name: part.shape for name, part in state.items()}:
        wrong = sorted(wanted.keys() ^ state.keys()) or ["their shapes"]
        raise WeightsError("tensors that fit the record", f"{path}: not {', '.join(wrong[:3])}", GET_AGAIN)
    net.load_state_dict(state, strict=False)  # without the norms' counters, which nothing reads
    return SoundModel(net.eval().requires_grad_(False), record)
