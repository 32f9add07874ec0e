"""A run on a prepared data set, from its rows to calibrated weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from mien.core.errors import ConfigError, DataError
from mien.core.settings import thread_count
from mien.data.manifest import Manifest, load_manifest
from mien.data.pixels import read_clip
from mien.data.splits import hold_out
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, save_weights
from mien.training.clips import ClipRecipe, ClipTask
from mien.training.finish import calibrate, uncalibrated, write_facts
from mien.training.loop import FitPlan, Report, fit
from mien.training.start import start_recognizer


@dataclass(frozen=True)
class ClipRun:
    """Train on any prepared set of images or clips.

    Attributes:
        data: folder of a set prepared by `mien prepare`.
        out: folder of the run; gets NAME.safetensors and run.json.
        start: what to begin with: weights of mien (a name, a file, a folder, hf://owner/repository@revision) or a plain
            ViT's .safetensors; none: random numbers.
        landmarks: whose landmark net to take where the start brings none: landmarks.safetensors of a landmark run, or
            weights of mien.
        fold: of a set with folds.
        protocol: clean chooses epoch and calibration on training data held out; official as published: every epoch is
            judged on the test split and the best one reported. Never compare one with the other.
        name: of the weights.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: model and augmentation.
    """

    data: Path
    out: Path = Path("runs/clips")
    start: str | None = None
    landmarks: str = "s2d-small"
    fold: int = 0
    protocol: Literal["clean", "official"] = "clean"
    name: str = "model"
    resume: bool = False
    fit: FitPlan = field(default_factory=FitPlan)
    recipe: ClipRecipe = field(default_factory=ClipRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the model's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        train, held_out = self.rows()
        size = train.crop_size or _side(train)
        recognizer = start_recognizer(
            self.recipe.shape,
            train.labels,
            self.start,
            self.landmarks,
            Preprocessing(crop_size=size),
            self.recipe.zero_init,
        )
        task = ClipTask(train, held_out, recognizer, self.recipe, self.fit.seed)
        write_facts(self, train.name, self.fold, self.protocol)
        return self.write(task, fit(task, self.fit, self.out, self.resume, report))

    def rows(self) -> tuple[Manifest, Manifest]:
        """Training rows, and those that every epoch is judged by.

        Raises:
            ConfigError: no such fold.
            DataError: labels are missing.
        """
        whole = load_manifest(self.data)
        if self.fold not in whole.folds:
            raise ConfigError(
                f"a fold of {whole.name}: {', '.join(map(str, whole.folds))}", str(self.fold), "add --fold"
            )
        whole = whole.select(fold=self.fold)
        if (whole.indices() < 0).any():
            raise DataError("a label for every item", f"{self.data} with items that have none", "leave them out")
        if self.protocol == "official":
            return whole.select("train"), whole.select("test")
        whole = hold_out(whole, seed=self.fit.seed)
        return whole.select("train"), whole.select("valid")

    def write(self, task: ClipTask, best: Path) -> Path:
        """Write the best epoch's weights, calibrated on the held-out rows of the clean protocol."""
        # A network of its own: the task's may be split over devices that are gone by now.
        s2d = S2D(task.recognizer.s2d.config)
        s2d.load_state_dict(read_torch(best)["module"])
        recognizer = Recognizer(s2d, task.recognizer.landmarks, task.preprocessing).cpu().eval()
        found = task.predict(s2d, task.held_out)
        if self.protocol == "clean":
            logits = np.log(found.probabilities.clip(1e-12))
            calibration, split = calibrate(logits, found.targets), "valid"
            calibration.put_into(s2d)
        else:
            calibration, split = uncalibrated(found.probabilities, found.targets), "official_test"
        record = ModelRecord(
            name=self.name,
            labels=found.labels,
            preprocessing=task.preprocessing,
            config={},
            frames=self.recipe.frames,
            temperature=calibration.temperature,
            threshold=calibration.threshold,
            trained_on=f"{found.dataset}, {task.items} items, from {self.start or 'random numbers'}",
            dataset=found.dataset,
            fold=self.fold,
            protocol=self.protocol,
            licence="not stated: it depends on the data and on the weights this began with",
            scores={f"{found.dataset}_{split}_{name}": round(value, 4) for name, value in calibration.figures.items()},
        )
        path = self.out / f"{self.name}.safetensors"
        save_weights(recognizer, record, path, torch.float16)
        return path


def _side(rows: Manifest) -> int:
    """The side of the release's own square crops; 224 for other pictures."""
    height, width = read_clip(rows, rows.rows[0]).shape[-2:]
    return int(height) if height == width else Preprocessing().crop_size
