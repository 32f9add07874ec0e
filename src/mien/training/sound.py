"""A sound net from the labelled clips' sound, and the fusion of its answers with those of a picture model.

The net learns on the training split; epoch and fusion are chosen on what is held out. The picture model stays as it is:
its answers to the held-out clips are computed once. Nothing in mien was trained on real speech: sets of faces with
voices need signed agreements.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn
from torch.utils.data import Dataset

from mien.core.errors import ConfigError, DataError
from mien.core.settings import thread_count
from mien.data.manifest import Manifest, load_manifest
from mien.data.sampling import item_generator
from mien.data.sounds import read_sound, sound_file
from mien.data.splits import hold_out
from mien.evaluation.predictions import Predictions
from mien.evaluation.views import predict_clips
from mien.media.listen import LEAST_PEAK
from mien.models.late_fusion import LateFusion, Way, fit_product, search_sum
from mien.models.sound import SoundConfig, SoundRecord, log_mel
from mien.models.sound_net import SoundNet, save_sound
from mien.models.torch_file import read_torch
from mien.models.zoo import load_model
from mien.training.finish import figures, write_facts
from mien.training.labelled import UNKNOWN_LICENCE
from mien.training.loop import FitPlan, Report, fit
from mien.training.paired import Paired, info_nce, picture_features
from mien.training.task import Task, device_of, matrices_decay

FIT = FitPlan(epochs=30, batch=32, lr=2e-3, weight_decay=0.01, ema=0.98, precision="fp32", log_every=10)
DECIBELS = 20 / np.log(10)


@dataclass(frozen=True)
class SoundRecipe:
    """What the net hears, and how.

    Attributes:
        model: its shape; ``classes`` is the set's.
        gain: most decibels by which a window is made louder or softer.
        fusion: product, by the likelihood of the held-out clips; or sum, AVCER's search (see
            :mod:`mien.models.late_fusion`).
        paired: weight of a loss that draws a clip's sound to what the picture model makes of its faces, without labels
            (InfoNCE, see :mod:`mien.training.paired`). 0: none.
    """

    model: SoundConfig = field(default_factory=SoundConfig)
    gain: float = 6.0
    fusion: Way = "product"
    paired: float = 0.0

    def __post_init__(self) -> None:
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
    """

    def __init__(
        self,
        train: Manifest,
        held_out: Manifest,
        recipe: SoundRecipe,
        seed: int,
        partners: Float[Tensor, "n d"] | None = None,
    ) -> None:
        labels = train.indices().tolist()
        self.items, self.labels, self.recipe = len(train), torch.tensor(labels), recipe
        self.data = SoundItems([sound_file(train, row) for row in train.rows], labels, recipe, seed, partners)
        self.net = SoundNet(recipe.model)
        self.module: nn.Module = self.net if partners is None else Paired(self.net, partners.shape[1])
        self.truth = held_out.indices()
        self._mels = [self._clip(sound_file(held_out, row)) for row in held_out.rows]

    def _clip(self, path: Path) -> Float[Tensor, "k t f"]:
        model = self.recipe.model
        return torch.from_numpy(
            np.stack([log_mel(part, model.bins) for part in clip_windows(read_sound(path), model.samples)])
        )

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices and kernels."""
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...], rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy of the windows with their clips' labels; where they have partners, how well they find them."""
        mel, labels, *partners = batch
        heard = module(mel)
        parts = {"labels": F.cross_entropy(heard.logits, labels)}
        if partners:
            parts["paired"] = self.recipe.paired * info_nce((heard.feature, *partners))
        return parts

    def answers(self, module: nn.Module) -> Float64[np.ndarray, "n c"]:
        """Probabilities of the held-out clips: the mean over their windows."""
        device = device_of(module)
        with torch.inference_mode():
            rows = [module(mel.to(device)).logits.double().softmax(1).mean(0).cpu().numpy() for mel in self._mels]
        return np.stack(rows)

    def validate(self, module: nn.Module) -> dict[str, float]:
        """WAR, UAR and loss on the held-out clips; the loss decides."""
        said = self.answers(module)
        loss = float(-np.log(said[np.arange(len(said)), self.truth].clip(1e-12)).mean())
        return {**figures(said, self.truth), "loss": loss, "score": -loss}


@dataclass(frozen=True)
class SoundRun:
    """Train a sound net on the sound of labelled clips, and fit its fusion with a picture model.

    Attributes:
        data: folder of a set made by `mien prepare ... --sound`.
        picture: the model that looks: a name, a file or a folder; its answers are not changed, and `mien analyze
            --sound` fuses with this one alone.
        out: folder of the run; gets NAME.safetensors and run.json.
        name: of the weights.
        licence: of the weights; empty: not stated.
        fold: of a set with folds.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: what the net hears, and the fusion.
    """

    data: Path
    picture: str = "s2d-small"
    out: Path = Path("runs/sound")
    name: str = "sound"
    licence: str = ""
    fold: int = 0
    resume: bool = False
    fit: FitPlan = FIT
    recipe: SoundRecipe = field(default_factory=SoundRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the weights comes back.

        Raises:
            ConfigError: no such fold, or a picture model of other labels.
            DataError: no clip to learn from, or none held out, whose sound was kept.
        """
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        whole = load_manifest(self.data)
        if self.fold not in whole.folds:
            there = ", ".join(map(str, whole.folds))
            raise ConfigError(f"a fold of {whole.name}: {there}", str(self.fold), "add --fold")
        whole = hold_out(whole.select(fold=self.fold), seed=self.fit.seed)
        train, held_out = (with_sound(whole.select(split)) for split in ("train", "valid"))
        picture = load_model(self.picture)
        recipe = replace(self.recipe, model=replace(self.recipe.model, classes=len(whole.labels)))
        seen = predict_clips(picture, held_out)  # a model of other labels is refused before the work
        partners = picture_features(picture, train) if recipe.paired else None
        task = SoundTask(train, held_out, recipe, self.fit.seed, partners)
        write_facts(self, whole.name, self.fold)
        best = read_torch(fit(task, self.fit, self.out, self.resume, report))
        task.module.cpu().eval().load_state_dict(best["module"])
        net = task.net
        fusion, scores = fused(recipe.fusion, seen, held_out, task.answers(net), self.fit.seed)
        record = SoundRecord(
            name=self.name,
            labels=whole.labels,
            config=recipe.model,
            picture=picture.record.name,
            picture_sha256=picture.record.sha256,
            picture_prior=picture.record.prior,
            fusion=fusion,
            trained_on=f"{whole.name}, the sound of {len(train)} clips, from random numbers; fusion: {len(seen)} clips",
            dataset=whole.name,
            fold=self.fold,
            licence=self.licence or UNKNOWN_LICENCE,
            scores={f"{whole.name}_valid_{name}": round(value, 4) for name, value in scores.items()},
        )
        path = self.out / f"{self.name}.safetensors"
        save_sound(net, record, path)
        return path


def with_sound(rows: Manifest) -> Manifest:
    """The labelled rows whose sound was kept. Raises DataError where there is none."""
    kept = tuple(row for row in rows.rows if row.label and sound_file(rows, row).is_file())
    if not kept:
        got = f"none of {len(rows)} {rows.rows[0].split} items of {rows.name}"
        raise DataError("labelled clips with their sound", got, "prepare films with `mien prepare ... --sound`")
    return replace(rows, rows=kept)


def fused(
    way: Way, seen: Predictions, rows: Manifest, heard: Float64[np.ndarray, "n c"], seed: int
) -> tuple[LateFusion, dict[str, float]]:
    """The fusion fitted on held-out clips, and figures of picture, sound and both on those clips.

    Args:
        way: of :mod:`mien.models.late_fusion`.
        seen: the picture's answers, of those clips that it could read.
        rows: the clips.
        heard: the sound's answers to all of them.
        seed: of the search.
    """
    place = {row.id: number for number, row in enumerate(rows.rows)}
    sound = heard[[place[name] for name in seen.ids]]
    if way == "product":
        fusion = fit_product(seen.probabilities, sound, seen.targets)
    else:
        fusion = search_sum(seen.probabilities, sound, seen.targets, seed=seed)
    streams = {"picture": seen.probabilities, "sound": sound, "both": fusion(seen.probabilities, sound)}
    scores = {
        f"{stream}_{name}": value
        for stream, said in streams.items()
        for name, value in figures(said, seen.targets).items()
        if name in ("war", "uar")
    }
    return fusion, scores
