"""Runs on drawn faces: in seconds, to see that an installation trains; in minutes, for ablations without faces."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mien.data.datasets import find_dataset
from mien.data.manifest import SET
from mien.data.synthetic import Kind, write_synthetic
from mien.training.labelled import LabelledRun
from mien.training.logs import Report
from mien.training.plan import FitPlan
from mien.training.recipe import ClipRecipe


@dataclass(frozen=True)
class SmokeRun:
    """Draw a handful of clips and train a tiny video model on them, in seconds.

    Attributes:
        out: folder of the run; the clips go to its ``data``.
        kind: what the clips show, see :mod:`mien.data.synthetic`.
        clips: training clips; half as many are held out, and as many again to test on.
        ambiguous: share of the training clips that blend two expressions under one label; of kind static.
        start: weights to begin with, of another such run for instance; none: random numbers.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: model and augmentation.
    """

    out: Path = Path("runs/smoke")
    kind: Kind = "motion"
    clips: int = 32
    ambiguous: float = 0.0
    start: str | None = None
    resume: bool = False
    fit: FitPlan = field(default_factory=lambda: FitPlan(epochs=2, batch=8, lr=1e-3, log_every=2))
    recipe: ClipRecipe = field(default_factory=lambda: ClipRecipe(model="s2d-micro", frames=4, temporal=True))

    def run(self, report: Report | None = None) -> Path:
        """Draw, train; the path of the model's weights comes back."""
        data = self.out / "data"
        if not (data / SET).exists():  # it is written last
            half = self.clips // 2
            write_synthetic(data, self.kind, self.clips, half, half, self.recipe.frames, ambiguous=self.ambiguous)
            find_dataset("synthetic").read(data).save(data)
        run = LabelledRun(
            data, self.out, self.start, name="smoke", resume=self.resume, fit=self.fit, recipe=self.recipe
        )
        return run.run(report)
