"""A sound net from the labelled clips' sound, and the fusion of its answers with those of a picture model.

The net learns on the training split; epoch and fusion are chosen on what is held out. The picture model stays as it is:
its answers to the held-out clips are computed once. Nothing in mien was trained on real speech: sets of faces with
voices need signed agreements.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from mien.core.errors import ConfigError, DataError
from mien.core.settings import thread_count
from mien.core.signals import places
from mien.data.manifest import Manifest, load_manifest
from mien.data.sounds import sound_file
from mien.data.splits import hold_out
from mien.evaluation.predictions import Predictions
from mien.evaluation.views import FRAMES_A_PASS, mean_answers, predict_clips
from mien.models.joined import readable_picture, save_joined
from mien.models.late_fusion import LateFusion, fit_product, search_sum
from mien.models.network import said
from mien.models.sound import SoundPlane, SoundRecord
from mien.models.sound_net import save_sound
from mien.models.torch_file import read_torch
from mien.models.zoo import LoadedModel, load_model
from mien.training.finish import figures, write_facts
from mien.training.heads import demand_known
from mien.training.joined import JoinedTask
from mien.training.labelled import UNKNOWN_LICENCE
from mien.training.listening import Fusion, SoundRecipe, SoundTask, plane_ccc, signal_of
from mien.training.loop import FitPlan, Report, fit
from mien.training.paired import picture_features

FIT = FitPlan(epochs=30, batch=32, lr=2e-3, weight_decay=0.01, ema=0.98, precision="fp32", log_every=10)


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
        if recipe.plane and signal_of(whole, recipe.plane) not in picture.record.signals:
            got = ", ".join(one.name for one in picture.record.signals) or "none"
            fix = "give it that head first, with `mien train heads`"
            raise ConfigError(f"a picture model that says {recipe.plane} of the same labels and range", got, fix)
        if recipe.plane:
            demand_known(signal_of(whole, recipe.plane), (train, held_out), "--recipe.plane")
        seen = predict_clips(picture, held_out)  # a model of other labels is refused before the work
        task = self._task(train, held_out, recipe, picture)
        write_facts(self, whole.name, self.fold)
        best = read_torch(fit(task, self.fit, self.out, self.resume, report))
        task.module.cpu().eval().load_state_dict(best["module"])
        heard = task.answers(task.module if isinstance(task, JoinedTask) else task.net)
        fusion, scores = fused(recipe.fusion, seen, held_out, heard, self.fit.seed)
        plane, of_plane = fused_plane(task, picture, held_out)
        scores |= of_plane
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
            trunk=recipe.trunk if isinstance(task, JoinedTask) else None,
            plane=plane,
        )
        path = self.out / f"{self.name}.safetensors"
        if isinstance(task, JoinedTask):
            save_joined(task.joined, record, path)
        else:
            save_sound(task.net, record, path)
        return path

    def _task(self, train: Manifest, held_out: Manifest, recipe: SoundRecipe, picture: LoadedModel) -> SoundTask:
        if recipe.fusion == "bottleneck":
            return JoinedTask(train, held_out, recipe, self.fit.seed, readable_picture(self.picture))
        partners = picture_features(picture, train) if recipe.paired else None
        return SoundTask(train, held_out, recipe, self.fit.seed, partners)


def fused_plane(task: SoundTask, picture: LoadedModel, rows: Manifest) -> tuple[SoundPlane | None, dict[str, float]]:
    """How the scale that the net learnt joins the picture's, fitted on held-out clips; the mean CCC of each there."""
    if task.signal is None:
        return None, {}
    found, failures = mean_answers(picture, lambda clips: said(picture, clips), rows, list(rows.rows), 2, FRAMES_A_PASS)
    there = np.array([place for place in range(len(rows)) if place not in failures], np.int64)
    seen = found[there, len(picture.record.labels) :][:, places(picture.record.signals)[task.signal.name]]
    heard, known = task.planes(task.net)[there], task.known[there]
    weights = convex_weights(seen, heard, known)
    plane = SoundPlane(task.signal, tuple(weights.tolist()))
    streams = {"picture": seen, "sound": heard, "both": plane(seen, heard)}
    return plane, {f"{name}_{task.signal.name}_ccc": plane_ccc(one, known) for name, one in streams.items()}


def convex_weights(
    picture: Float64[np.ndarray, "n k"], sound: Float64[np.ndarray, "n k"], known: Float64[np.ndarray, "n k"]
) -> Float64[np.ndarray, " k"]:
    """Weights of the sound in [0, 1] whose (1 - w) p + w s misses what is known least, in squares; 0 without any.

    Of every column w = sum (y - p)(s - p) / sum (s - p)^2 over the items of which y is known, cut to [0, 1].
    """
    gap, missed = (np.where(np.isnan(known), 0.0, one - picture) for one in (sound, known))
    under = (gap**2).sum(0)
    best: Float64[np.ndarray, " k"] = (missed * gap).sum(0) / np.where(under > 0, under, 1)
    return best.clip(0, 1)


def with_sound(rows: Manifest) -> Manifest:
    """The labelled rows whose sound was kept. Raises DataError where there is none."""
    kept = tuple(row for row in rows.rows if row.label and sound_file(rows, row).is_file())
    if not kept:
        got = f"none of {len(rows)} {rows.rows[0].split} items of {rows.name}"
        raise DataError("labelled clips with their sound", got, "prepare films with `mien prepare ... --sound`")
    return replace(rows, rows=kept)


def fused(
    way: Fusion, seen: Predictions, rows: Manifest, heard: Float64[np.ndarray, "n c"], seed: int
) -> tuple[LateFusion, dict[str, float]]:
    """The fusion fitted on held-out clips, and figures of picture, sound and both on those clips.

    Args:
        way: of :mod:`mien.models.late_fusion`; what a bottleneck says is weighed as `product` does.
        seen: the picture's answers, of those clips that it could read.
        rows: the clips.
        heard: the sound's answers to all of them.
        seed: of the search.
    """
    place = {row.id: number for number, row in enumerate(rows.rows)}
    sound = heard[[place[name] for name in seen.ids]]
    if way == "sum":
        fusion = search_sum(seen.probabilities, sound, seen.targets, seed=seed)
    else:
        fusion = fit_product(seen.probabilities, sound, seen.targets)
    second = "joined" if way == "bottleneck" else "sound"
    streams = {"picture": seen.probabilities, second: sound, "both": fusion(seen.probabilities, sound)}
    scores = {
        f"{stream}_{name}": value
        for stream, said in streams.items()
        for name, value in figures(said, seen.targets).items()
        if name in ("war", "uar")
    }
    return fusion, scores
