"""A picture model and a sound trunk joined in every block, ready to learn and for use, and their weights file.

The network is :class:`mien.models.bottleneck.HearingS2D`. The file holds what was learnt, the sound's half, the fusion
and the head, and says which picture model they belong to; that model's own weights stay in their own file. What the
network says is fused with the picture's answer by the record's weights, as a sound net's answer is: held-out clips say
how far it is to be believed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn

from mien.core.errors import ConfigError, WeightsError
from mien.core.files import whole_file
from mien.models.bottleneck import HearingS2D, SoundTrunk
from mien.models.record import GET_AGAIN, demand_numbers
from mien.models.s2d import S2D
from mien.models.sound import KEY, SoundConfig, SoundRecord, TrunkConfig, log_mels, read_sound_record
from mien.models.sound_net import Heard
from mien.models.weights import Recognizer, read_tensors, write_tensors
from mien.models.zoo import LoadedModel, load_model

LEARNT = ("ears.", "bottlenecks.", "eyes.head.")
"""Beginnings of the names of what the file holds."""


class Joined(nn.Module):
    """Crops and spectrograms to logits. The picture's half stays as it is, but for a head of its own.

    Args:
        picture: not folded; it learns nothing here.
        config: what is heard.
        trunk: shape of the sound's half, and of what joins it.

    Raises:
        ConfigError: a picture model that is no S2D, or that corrects its answers by anchors.
    """

    def __init__(self, picture: Recognizer, config: SoundConfig, trunk: TrunkConfig) -> None:
        super().__init__()
        if not isinstance(picture.net, S2D) or picture.balance is not None:
            got = f"{picture.network} with anchors" if picture.balance is not None else picture.network
            raise ConfigError("an S2D picture model without anchors, to join in every block", got, "take another")
        self.picture = picture
        ears = SoundTrunk(config, trunk.dim, picture.net.config.depth, trunk.heads)
        self.hearing = HearingS2D(picture.net, ears, trunk.narrow)
        self.hearing.learn_fusion()
        ears.requires_grad_(True)

    def forward(self, mel: Float[Tensor, "b k f"], clips: UInt8[Tensor, "b t 3 h w"]) -> Heard:
        """Of b spectrograms and the crops, RGB, beside which they were heard."""
        frames = self.picture.frames_of(clips / 255)
        answer = self.hearing(frames, self.picture.landmark_map(frames.flatten(0, 1)), mel)
        return Heard(answer.logits, answer.feature)

    def learnt(self) -> dict[str, Tensor]:
        """What the file holds."""
        every = self.hearing.named_parameters()
        return {name: part.detach() for name, part in every if name.startswith(LEARNT)}


class JoinedModel:
    """Ready for use. A pickle holds the paths of both files, not the networks.

    Args:
        net: in eval mode.
        record: what its weights say about themselves.
        picture: file of the picture model.
    """

    def __init__(self, net: Joined, record: SoundRecord, picture: str) -> None:
        self.net, self.record, self._picture = net, record, picture

    def __reduce__(self) -> tuple[object, ...]:
        return load_joined, (Path(self.record.source), self._picture, self.record.sha256)

    def probabilities(
        self, waves: Float[np.ndarray, "b n"], clips: UInt8[np.ndarray, "b t 3 h w"]
    ) -> Float64[np.ndarray, "b c"]:
        """Of b windows of sound at 16 kHz and the crops beside them; rows sum to 1.

        Raises WeightsError for weights that give no numbers.
        """
        mel = torch.from_numpy(log_mels(waves, self.record.config.bins))
        with torch.inference_mode():
            said = self.net(mel, torch.from_numpy(clips)).logits.double().softmax(1)
        answer: Float64[np.ndarray, "b c"] = said.numpy()
        demand_numbers(self.record.name, answer)
        return answer


def readable_picture(name: str | None) -> LoadedModel:
    """The picture model of that name or file, not folded and without gradients."""
    model = load_model(name, folded=False)
    model.network.requires_grad_(False)
    return model


def save_joined(net: Joined, record: SoundRecord, path: Path) -> SoundRecord:
    """Write what was learnt, and the record, to ``path``, atomically; the record comes back with the file's hash."""
    state = {name: part.cpu().contiguous() for name, part in net.learnt().items()}
    with whole_file(path) as draft:
        write_tensors(state, {KEY: record.to_json()}, draft)
    return read_sound_record(path)


def load_joined(path: Path, picture: str, sha256: str | None = None) -> JoinedModel:
    """Read a file of :func:`save_joined`, beside its picture model.

    Args:
        path: the file.
        picture: file of the picture model.
        sha256: what the file must be; None: whatever it is.

    Raises:
        WeightsError: missing, torn, not such weights, tensors that do not fit the record, or other ones.
        ConfigError: fitted to another picture model.
    """
    record = read_sound_record(path)
    if record.trunk is None or (sha256 is not None and record.sha256 != sha256):
        raise WeightsError("weights of sound joined to a picture", f"{path}, which are others", "load them again")
    model = readable_picture(picture)
    if model.record.sha256 != record.picture_sha256:
        expected = f"the model that {record.name} was fitted to: {record.picture} ({record.picture_sha256[:12]})"
        got = f"{model.record.name} ({model.record.sha256[:12]})"
        raise ConfigError(expected, got, "choose that with --model, or train anew with `mien train sound --picture`")
    net = Joined(model.network, record.config, record.trunk)
    state, wanted = read_tensors(path), {name: part.shape for name, part in net.learnt().items()}
    if wanted != {name: part.shape for name, part in state.items()}:
        wrong = sorted(wanted.keys() ^ state.keys()) or ["their shapes"]
        raise WeightsError("tensors that fit the record", f"{path}: not {', '.join(wrong[:3])}", GET_AGAIN)
    net.hearing.load_state_dict(state, strict=False)  # the rest is the picture's
    return JoinedModel(net.eval().requires_grad_(False), record, picture)
