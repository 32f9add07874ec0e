"""How a net learns what labelled clips sound like: the recipe, the items and the task."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn
from torch.utils.data import Dataset

from mien.core.errors import ConfigError
from mien.core.signals import Signal
from mien.data.manifest import Manifest
from mien.data.sampling import item_generator
from mien.data.sounds import read_sound, sound_file
from mien.evaluation.signal_metrics import ccc
from mien.media.listen import LEAST_PEAK
from mien.models.sound import SoundConfig, TrunkConfig, log_mel, log_mels
from mien.models.sound_net import SoundNet
from mien.training.finish import figures
from mien.training.heads import numbers_of
from mien.training.masked import HeadLosses, loss_for
from mien.training.paired import Paired, info_nce
from mien.training.task import Task, device_of, matrices_decay

Fusion = Literal["product", "sum", "bottleneck"]
DECIBELS = 20 / np.log(10)


@dataclass(frozen=True)
class SoundRecipe:
    """What the net hears, and how.

    Attributes:
        model: its shape; ``classes`` is the set's.
        gain: most decibels by which a window is made louder or softer.
        fusion: product, by the likelihood of the held-out clips; or sum, AVCER's search (see
            :mod:`mien.models.late_fusion`). bottleneck: sound is joined to the picture model in every block
            (:mod:`mien.models.joined`), in the place of a net that answers alone, and what it says is weighed as by
            product.
        paired: weight of a loss that draws a clip's sound to what the picture model makes of its faces, without labels
            (InfoNCE, see :mod:`mien.training.paired`). 0: none.
        trunk: of fusion bottleneck.
        plane: a scale that set and picture model know, such as affect (valence and arousal), which the sound net learns
            to say too; the two are fused column by column. Empty: none.
        head_losses: what the plane learns by.
    """

    model: SoundConfig = field(default_factory=SoundConfig)
    gain: float = 6.0
    fusion: Fusion = "product"
    paired: float = 0.0
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    plane: str = ""
    head_losses: HeadLosses = field(default_factory=HeadLosses)

    def __post_init__(self) -> None:
        if (self.fusion == "bottleneck") + bool(self.paired) + bool(self.plane) > 1:
            got = f"fusion {self.fusion}, paired {self.paired}, plane {self.plane or 'none'}"
            raise ConfigError("one of fusion bottleneck, paired and plane", got, "leave the others out")
        if self.head_losses != HeadLosses() and not self.plane:
            got = "them without it"
            raise ConfigError("--recipe.plane with --recipe.head-losses", got, "add it, or leave them out")
        if not 0 <= self.paired < float("inf") or not 0 <= self.gain < float("inf"):
            raise ConfigError("paired and gain of 0 or more", f"{self.paired}, {self.gain}", "change them")


class SoundItems(Dataset[tuple[Tensor, ...]]):
    """From ``(item, draw)`` to the spectrogram of a window somewhere in the clip, the clip's class, and its partner.

    Args:
        files: sounds of the clips.
        labels: their classes.
        recipe: how long a window is, and how it is changed.
        seed: all that is random depends on it and on ``draw`` alone.
        partners: the picture's features of the clips; None: items have none.
    """

    def __init__(
        self,
        files: list[Path],
        labels: list[int],
        recipe: SoundRecipe,
        seed: int,
        partners: Float[Tensor, "n d"] | None = None,
    ) -> None:
        self.files, self.labels, self.recipe, self.seed, self.partners = files, labels, recipe, seed, partners

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        item, draw = key
        where, loud = torch.rand(2, generator=item_generator(self.seed, draw), dtype=torch.float64).tolist()
        model = self.recipe.model
        wave = padded(read_sound(self.files[item]), model.samples)
        begin = round(where * (len(wave) - model.samples))
        part = wave[begin : begin + model.samples] * np.exp(self.recipe.gain * (2 * loud - 1) / DECIBELS)
        found = torch.from_numpy(log_mel(part, model.bins)), torch.tensor(self.labels[item])
        return found if self.partners is None else (*found, self.partners[item])


def padded(wave: Float32[np.ndarray, " n"], samples: int) -> Float32[np.ndarray, " m"]:
    """With silence before and after, where it is shorter than ``samples``."""
    short = max(samples - len(wave), 0)
    return np.pad(wave, (short // 2, short - short // 2))


def clip_windows(wave: Float32[np.ndarray, " n"], samples: int) -> Float32[np.ndarray, "k m"]:
    """Windows over a whole clip, overlapping by half, of those that can be heard at least; all where none can."""
    wave = padded(wave, samples)
    spare = len(wave) - samples
    begins = np.linspace(0, spare, 1 - (-2 * spare // samples)).round().astype(int)
    found = np.stack([wave[begin : begin + samples] for begin in begins])
    loud = np.abs(found).max(1) >= LEAST_PEAK
    return found[loud] if loud.any() else found


class SoundTask(Task):
    """Labelled sounds and the net that learns them.

    Args:
        train: rows with sound to learn from.
        held_out: rows with sound that every epoch is judged by.
        recipe: how.
        seed: of everything random about the items.
        partners: see :class:`SoundItems`.

    Attributes:
        net: the sound net, which is the module or a part of it.
        mels: spectrograms of the windows of each held-out clip.
    """

    def __init__(
        self,
        train: Manifest,
        held_out: Manifest,
        recipe: SoundRecipe,
        seed: int,
        partners: Float[Tensor, "n d"] | None = None,
    ) -> None:
        if recipe.plane:
            partners = numbers_of(train, signal_of(train, recipe.plane))
        labels = train.indices().tolist()
        self.items, self.labels, self.recipe = len(train), torch.tensor(labels), recipe
        self.data = SoundItems([sound_file(train, row) for row in train.rows], labels, recipe, seed, partners)
        self.signal = None if not recipe.plane else signal_of(train, recipe.plane)
        self.net = SoundNet(recipe.model, self.signal)
        alone = partners is None or self.signal is not None
        self.module: nn.Module = self.net if alone or partners is None else Paired(self.net, partners.shape[1])
        if self.signal is not None and partners is not None:
            self.known = numbers_of(held_out, self.signal).double().numpy()
            self._plane_loss = loss_for("plane", self.signal, partners, recipe.head_losses)
        self.truth = held_out.indices()
        self.mels = [self._clip(sound_file(held_out, row)) for row in held_out.rows]

    def _clip(self, path: Path) -> Float[Tensor, "k t f"]:
        model = self.recipe.model
        return torch.from_numpy(log_mels(clip_windows(read_sound(path), model.samples), model.bins))

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices and kernels."""
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...], rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy of the windows with their clips' labels; where they have partners, how well they find them."""
        mel, labels, *partners = batch
        heard = module(mel)
        parts = {"labels": F.cross_entropy(heard.logits, labels)}
        if self.signal is not None:
            parts[self.signal.name] = self._plane_loss(heard.plane, partners[0], self.progress)
        elif partners:
            parts["paired"] = self.recipe.paired * info_nce((heard.feature, *partners))
        return parts

    def answers(self, module: nn.Module) -> Float64[np.ndarray, "n c"]:
        """Probabilities of the held-out clips: the mean over their windows."""
        device = device_of(module)
        with torch.inference_mode():
            rows = [module(mel.to(device)).logits.double().softmax(1).mean(0).cpu().numpy() for mel in self.mels]
        return np.stack(rows)

    def planes(self, module: nn.Module) -> Float64[np.ndarray, "n k"]:
        """The scale's numbers of the held-out clips: the mean over their windows."""
        device = device_of(module)
        with torch.inference_mode():
            rows = [module(mel.to(device)).plane.double().mean(0).cpu().numpy() for mel in self.mels]
        return np.stack(rows)

    def validate(self, module: nn.Module) -> dict[str, float]:
        """WAR, UAR and loss on the held-out clips; the loss decides, with a plane less its mean CCC."""
        said = self.answers(module)
        loss = float(-np.log(said[np.arange(len(said)), self.truth].clip(1e-12)).mean())
        found = {**figures(said, self.truth), "loss": loss, "score": -loss}
        if self.signal is not None:
            agreement = plane_ccc(self.planes(module), self.known)
            found |= {f"{self.signal.name}_ccc": agreement, "score": agreement - loss}
        return found


def signal_of(rows: Manifest, name: str) -> Signal:
    """The scale of that name that a set knows. Raises ConfigError for none."""
    known = {signal.name: signal for signal in rows.signals if signal.kind == "scale"}
    if name not in known:
        expected = f"a scale of {rows.name}: {', '.join(known) or 'none'}"
        raise ConfigError(
            expected, name, "change --recipe.plane, or write signals.csv as docs/train-your-own.md has it"
        )
    return known[name]


def plane_ccc(said: Float64[np.ndarray, "n k"], known: Float64[np.ndarray, "n k"]) -> float:
    """Mean concordance of the columns of which something is known; 0 where that says nothing."""
    each = [(said[:, one], known[:, one], ~np.isnan(known[:, one])) for one in range(known.shape[1])]
    found = [ccc(ours[there], theirs[there]) for ours, theirs, there in each if there.sum() >= 2]
    return float(np.nan_to_num(np.mean(found))) if found else 0.0
