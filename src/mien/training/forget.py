"""A model made to forget training items, of a person who withdraws consent say, after SCRUB (Kurmanji et al., arXiv
2302.09880).

    L = CE(retained) + KL(start || now) on retained - lambda KL(start || now) on what is forgotten

in every step, where SCRUB takes turns. It would go on without end, and a loss far above a stranger's gives an item away
as a small one does: an item is pushed only while its loss is under the start's mean loss on held-out items [ours].

Only learning again without the items forgets for certain. ``mien evaluate --forgotten LIST`` measures what is left.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mien.core import checks
from mien.core.errors import ConfigError, DataError
from mien.core.files import whole_file
from mien.core.settings import thread_count
from mien.data.manifest import Manifest
from mien.data.splits import hold_out
from mien.data.transforms import Augmentation
from mien.evaluation.forgotten import listed, read_names
from mien.evaluation.runs import open_data
from mien.models.find import find_weights
from mien.models.net import Answer
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.training.features import see
from mien.training.finish import demand_same
from mien.training.labelled import LabelledTask
from mien.training.learner import Learner, net_state
from mien.training.loop import FitPlan, Report, fit
from mien.training.recipe import FaceRecipe
from mien.training.start import demand_no_anchors
from mien.training.terms import SoftLabels, Step, Term

FORGET = "forget"
FIT = FitPlan(epochs=1, batch=64, lr=2e-5, weight_decay=0.0, ema=0.0, precision="fp32")


class Forget(Term):
    """KL from the start's answers, kept small on what is retained and made large on what is forgotten.

    Args:
        start: the networks before.
        strength: lambda.
        loss: up to which an item is pushed.
    """

    def __init__(self, start: Recognizer, strength: float, loss: float) -> None:
        super().__init__()
        self._held = (start,)  # in a tuple: no part of what learns
        self.strength, self.loss = strength, loss
        self.size = start.preprocessing.input_size

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """See the module."""
        (start,) = self._held
        with torch.no_grad():
            before = start.to(step.clips.device).logits(start.frames_of(step.clips)).float().log_softmax(1)
        now = answer.logits.float().log_softmax(1)
        apart = F.kl_div(now, before, reduction="none", log_target=True).sum(1)
        targets = step.styles[FORGET]
        leave = ~targets.isnan().any(1)
        known = -(targets.nan_to_num() * now.detach()).sum(1) < self.loss
        pushed = apart[leave & known].sum() / leave.sum().clamp(min=1)
        return apart[~leave].sum() / (~leave).sum().clamp(min=1) - self.strength * pushed


class ForgetTask(LabelledTask):
    """Retained items, and beside every batch some of those to forget.

    Args:
        retained: training rows.
        held_out: rows that every epoch is judged by.
        forget: rows.
        recognizer: the networks.
        recipe: how.
        seed: of everything random.
        strength: lambda.
        loss: see :class:`Forget`.
    """

    def __init__(
        self,
        retained: Manifest,
        held_out: Manifest,
        forget: Manifest,
        recognizer: Recognizer,
        recipe: FaceRecipe,
        seed: int,
        strength: float,
        loss: float,
    ) -> None:
        start = copy.deepcopy(recognizer).eval().requires_grad_(False)
        super().__init__(retained, held_out, recognizer, recipe, seed, [(FORGET, forget)])
        plain = self.learner.terms["labels"]
        assert isinstance(plain, SoftLabels)
        self.learner = Learner(recognizer.net, {"labels": (1.0, plain), FORGET: (1.0, Forget(start, strength, loss))})
        self.module = self.learner


@dataclass(frozen=True)
class ForgetRun:
    """Make a model forget training items or people. `mien evaluate --forgotten LIST` measures how far it did.

    Attributes:
        model: weights of mien: a name, a file, a folder.
        forget: ids or subjects of training items, one a line.
        data: the set it learnt: a folder of `mien prepare` with single faces, or the FERPlus .npz.
        out: folder of the run; gets NAME.safetensors and forget.json.
        strength: lambda, how hard what is forgotten is pushed away; too hard, and it stands out as badly known.
        beside: items to forget that join a batch, for each retained one.
        fold: of a set with folds.
        name: of the weights; empty: MODEL-less.
        resume: go on from the last checkpoint.
        fit: optimisation.
    """

    model: str
    forget: Path | None = None
    data: Path | None = None
    out: Path = Path("runs/forgotten")
    strength: float = 1.0
    beside: float = 0.25
    fold: int = 0
    name: str = ""
    resume: bool = False
    fit: FitPlan = FIT
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(flip=0.5))

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ConfigError("--strength of 0 or more", str(self.strength), "1 is usual")

    def run(self, report: Report | None = None) -> Path:
        """Forget; the path of the weights comes back.

        Raises:
            ConfigError, DataError, WeightsError: settings, items or weights that do not fit.
        """
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        recognizer, record = load_weights(find_weights(self.model))
        demand_no_anchors(record, self.model)
        if record.heads or not record.is_image_model:
            # Heads of signals would read a feature that moved under them; clips are read from files.
            got = f"{record.name} with {', '.join(record.heads) or 'temporal parts'}"
            raise ConfigError("an image model without heads of signals", got, "forget first, then `mien train signals`")
        name = self.name or f"{record.name}-less"
        checks.file_name("--name", name)
        if self.data is None or self.forget is None:
            raise ConfigError("--forget LIST and --data with the set that the model learnt", "one alone", "add it")
        rows = hold_out(open_data(self.data).select(fold=self.fold), seed=self.fit.seed)
        if rows.labels.labels != record.labels.labels:
            raise ConfigError(f"the labels of {record.name}", ", ".join(rows.labels.labels), "name the set it learnt")
        train, held_out = rows.select("train"), rows.select("valid")
        gone = listed(train, read_names(self.forget))
        names = {row.id for row in gone}
        kept = tuple(row for row in train.rows if row.id not in names)
        if not kept:
            raise DataError("items that stay", "a list of all", "train without them instead")
        judged = see(recognizer, held_out)
        loss = F.cross_entropy(torch.from_numpy(judged.logits), torch.from_numpy(held_out.indices())).item()
        recipe = FaceRecipe(
            model=recognizer.net.config, augmentation=self.augmentation, beside=self.beside, score="last", frames=1
        )
        recognizer.requires_grad_(True)
        task = ForgetTask(
            dataclasses.replace(train, rows=kept),
            held_out,
            dataclasses.replace(train, rows=gone),
            recognizer,
            recipe,
            self.fit.seed,
            self.strength,
            loss,
        )
        facts = {"model": record.name, "sha256": record.sha256, "forgotten": len(gone), "retained": len(kept)}
        facts["list"] = sha256("\n".join(sorted(names)).encode()).hexdigest()
        demand_same(self.out / "forget.json", self, list=facts["list"])
        with whole_file(self.out / "forget.json") as draft:
            body = facts | {"stranger_loss": loss, "fields": dataclasses.asdict(self)}
            draft.write_text(json.dumps(body, indent=2, default=str) + "\n")
        best = fit(task, self.fit, self.out, self.resume, report)
        recognizer.cpu().net.load_state_dict(net_state(read_torch(best)["module"]))
        told = f"{record.trained_on}; {len(gone)} items forgotten afterwards"
        new = dataclasses.replace(record, name=name, scores={}, trained_on=told)
        path = self.out / f"{name}.safetensors"
        save_weights(recognizer.eval(), new, path, torch.float16)
        return path
