"""Heads for action units, pose, gaze and closed eyes, on a network that stays as it is.

They read the network's feature, or its tokens, and a tail of its landmark net that learns with them; what the weights
say of the expression does not move by a digit. Real faces have a teacher's numbers, rendered people the truth
(:mod:`mien.training.facial`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.core.facial import ACTION_UNITS, EYES_CLOSED, FACIAL, GAZE, POSE
from mien.core.settings import thread_count
from mien.core.signals import Signal
from mien.data.transforms import Augmentation, augment_with_maps
from mien.models.find import find_weights
from mien.models.heads import Head, answer_for, build_heads, torch_values, with_edges
from mien.models.landmarks import LandmarkTail, fold
from mien.models.net import Answer
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.training.facial import WHERE, FacialFaces, exact_faces, move_values, taught_faces
from mien.training.landmarks import LandmarkRecipe
from mien.training.loop import FitPlan, Report, fit
from mien.training.masked import edge_loss
from mien.training.task import Task, device_of, matrices_decay

HEAD = "landmark"
"""The kind of head, of :data:`mien.models.nets.HEADS`, of what is not the action units."""
DEGREES = 10.0
"""An error of so many degrees weighs one."""
AT_ONCE = 256
LEARNT = "; signals: "
"""Begins the part of a record's `trained_on` that is about the heads."""


@dataclass(frozen=True)
class SignalRecipe:
    """What the heads are shown, and what counts.

    Attributes:
        augmentation: changes of the faces.
        head: of the action units: landmark reads the feature and the tail, graph the patch tokens (ME-GraphAU),
            graph-edges likewise, with an edge for every two units (its second stage).
        units: weight of the loss of the action units.
        edges: weight, beside that, of the loss of their edges, with graph-edges.
        pose: likewise.
        gaze: likewise.
        eyes: likewise, of closed eyes.
        truth: how much a rendered face counts for one real face, whose numbers are a teacher's.
    """

    augmentation: Augmentation = dataclasses.replace(LandmarkRecipe().augmentation, rotation=12, scale=0.15, shift=0.06)
    head: Literal["landmark", "graph", "graph-edges"] = "landmark"
    units: float = 1.0
    edges: float = 0.05
    pose: float = 1.0
    gaze: float = 0.5
    eyes: float = 0.5
    truth: float = 1.0

    @property
    def weights(self) -> dict[str, float]:
        """By signal."""
        parts = (ACTION_UNITS, self.units), (POSE, self.pose), (GAZE, self.gaze), (EYES_CLOSED, self.eyes)
        return {signal.name: weight for signal, weight in parts}

    @property
    def heads(self) -> dict[str, str]:
        """Kinds by signal."""
        return {signal.name: self.head if signal is ACTION_UNITS else HEAD for signal in FACIAL}


class Saying(nn.Module):
    """What learns: the tail and the heads.

    Args:
        tail: of the landmark net.
        heads: by signal.
    """

    def __init__(self, tail: LandmarkTail, heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.tail, self.heads = tail, nn.ModuleDict(dict(heads))

    def forward(
        self, answer: Answer, landmark_map: Float[Tensor, "n 128 14 14"]
    ) -> tuple[dict[str, Float[Tensor, "n k"]], dict[str, Float[Tensor, "n k k 4"]]]:
        """Before sigmoid, and edges of the heads that say them, by signal."""
        said, edges = with_edges(answer, dict(self.heads.items()), self.tail(landmark_map))
        return dict(said.signals), edges


class SignalTask(Task):
    """Known numbers of grey faces as targets for heads on a frozen network.

    Args:
        faces: to learn from, those with a teacher's numbers first.
        real: how many those are.
        held_out: by name, what is measured after every epoch.
        recognizer: the network, with a landmark net.
        recipe: what the heads are shown.
    """

    def __init__(
        self,
        faces: FacialFaces,
        real: int,
        held_out: dict[str, FacialFaces],
        recognizer: Recognizer,
        recipe: SignalRecipe,
    ) -> None:
        self.faces, self.real, self.held_out, self.recipe = faces, real, held_out, recipe
        self.items = len(faces)
        net, landmarks = recognizer.net.eval().requires_grad_(False), recognizer.landmarks
        assert landmarks is not None
        self._eyes = Recognizer(net, fold(landmarks), recognizer.preprocessing).eval()
        heads = build_heads(recipe.heads, FACIAL, net.config.dim)
        self._heads = tuple(heads.values())
        self.module: nn.Module = Saying(LandmarkTail.of(landmarks), heads)
        self.module.requires_grad_(True)

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices only."""
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """By signal, over what is known."""
        images, values = self.faces.images[batch].float() / 255, self.faces.values[batch]
        size = self._eyes.preprocessing.input_size
        grey, maps = augment_with_maps(images, size, self.recipe.augmentation, rng)
        weight = torch.where(batch < self.real, 1.0, self.recipe.truth)
        said, edges = self._said(module, grey)
        wanted = move_values(values, maps)
        parts = self._losses(said, wanted, weight)
        for name, of in edges.items():
            parts[name] = parts[name] + self.recipe.edges * edge_loss(of.float(), wanted[:, WHERE[name]].to(of.device))
        return {name: self.recipe.weights[name] * part for name, part in parts.items()}

    def _said(
        self, module: nn.Module, grey: Float[Tensor, "n 1 s s"]
    ) -> tuple[dict[str, Float[Tensor, "n k"]], dict[str, Float[Tensor, "n k k 4"]]]:
        device = device_of(module)
        eyes = self._eyes.to(device)
        with torch.no_grad():
            frames = eyes.frames_of(grey[:, None].to(device))
            landmark_map = eyes.landmark_map(frames.flatten(0, 1))
            answer = answer_for(self._heads, eyes.net, frames, landmark_map)
        said: tuple[dict[str, Tensor], dict[str, Tensor]] = module(answer, landmark_map)
        return said

    def _losses(
        self, said: dict[str, Float[Tensor, "n k"]], values: Float[Tensor, "n k"], weight: Float[Tensor, " n"]
    ) -> dict[str, Float[Tensor, ""]]:
        found = {}
        for signal in FACIAL:
            raw = said[signal.name].float()
            wanted = values[:, WHERE[signal.name]].to(raw.device)
            known = ~wanted.isnan()
            each = weight.to(raw.device)[:, None].expand(raw.shape)[known]
            if signal.kind == "flags":
                parts = F.binary_cross_entropy_with_logits(raw[known], wanted[known], reduction="none")
            else:
                parts = F.smooth_l1_loss(raw[known] / DEGREES, wanted[known] / DEGREES, reduction="none")
            found[signal.name] = (parts * each).sum() / each.sum().clamp(min=1e-6)
        return found

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Rank correlations and mean errors on every held-out set; the score is the loss, weighed."""
        figures: dict[str, float] = {}
        score = 0.0
        for name, faces in self.held_out.items():
            said = self.answers(module, faces)
            parts = self._losses(said, faces.values, torch.ones(len(faces)))
            score -= sum(self.recipe.weights[signal] * part.item() for signal, part in parts.items())
            figures |= {f"{name}_{key}": value for key, value in figures_of(said, faces.values).items()}
        return figures | {"score": score}

    def answers(self, module: nn.Module, faces: FacialFaces) -> dict[str, Float[Tensor, "n k"]]:
        """To crops as they come in use, before sigmoid."""
        some: list[dict[str, Tensor]] = []
        for first in range(0, len(faces), AT_ONCE):
            grey = faces.images[first : first + AT_ONCE].float() / 255
            with torch.no_grad():
                some.append({name: part.cpu() for name, part in self._said(module, grey)[0].items()})
        return {name: torch.cat([one[name] for one in some]) for name in some[0]}


def figures_of(said: dict[str, Float[Tensor, "n k"]], values: Float[Tensor, "n k"]) -> dict[str, float]:
    """Mean rank correlation of flags, mean absolute error of scales, in degrees, by signal."""
    found = {}
    for signal in FACIAL:
        ours = torch_values(signal, said[signal.name]).double().numpy()
        theirs = values[:, WHERE[signal.name]].double().numpy()
        each = [_figure(signal, ours[:, place], theirs[:, place]) for place in range(len(signal.labels))]
        there = [one for one in each if np.isfinite(one)]
        if there:
            found[f"{signal.name}_{'rho' if signal.kind == 'flags' else 'error'}"] = float(np.mean(there))
    return found


def _figure(signal: Signal, ours: Float[np.ndarray, " n"], theirs: Float[np.ndarray, " n"]) -> float:
    from scipy.stats import spearmanr

    known = np.isfinite(theirs)
    if known.sum() < 3 or np.ptp(theirs[known]) == 0:
        return float("nan")
    if signal.kind == "flags":
        return float(spearmanr(ours[known], theirs[known]).statistic)
    return float(np.abs(ours[known] - theirs[known]).mean())


@dataclass(frozen=True)
class SignalRun:
    """Give weights the signals of a face: action units, pose, gaze, closed eyes. What they say else stays as it is.

    Attributes:
        data: the FERPlus .npz.
        points: the teacher's numbers of its faces (.npz, tools/face_points.py).
        start: weights of mien with a landmark net: a name, a file or a folder.
        people: folders of `mien prepare people`; their test persons are held out.
        out: folder of the run; gets NAME.safetensors, with the start's name.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: what the heads are shown.
    """

    data: Path
    points: Path
    start: str = "s2d-small"
    people: tuple[Path, ...] = ()
    out: Path = Path("runs/signals")
    resume: bool = False
    # Not bf16, as in the landmark net: its numbers are too far apart for degrees.
    fit: FitPlan = FitPlan(
        epochs=10, batch=128, lr=1.5e-3, warmup=0.05, weight_decay=0.01, clip=5.0, ema=0.995, precision="fp32"
    )
    recipe: SignalRecipe = field(default_factory=SignalRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the weights with their new heads comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        recognizer, record = load_weights(find_weights(self.start))
        if recognizer.landmarks is None:
            raise ConfigError("weights with a landmark net", self.start, "choose another --start")
        parts = (taught_faces(self.data, self.points, "train"), exact_faces(self.people, "train"))
        faces = FacialFaces(torch.cat([part.images for part in parts]), torch.cat([part.values for part in parts]))
        held_out = {
            "real": taught_faces(self.data, self.points, "valid"),
            "rendered": exact_faces(self.people, "test"),
        }
        task = SignalTask(faces, len(parts[0]), {k: v for k, v in held_out.items() if len(v)}, recognizer, self.recipe)
        best = read_torch(fit(task, self.fit, self.out, self.resume, report))
        saying = task.module.cpu()
        saying.load_state_dict(best["module"])
        assert isinstance(saying, Saying)
        heads = {name: head for name, head in saying.heads.items() if isinstance(head, Head)}
        whole = Recognizer(
            recognizer.net.cpu(),
            recognizer.landmarks.cpu(),
            recognizer.preprocessing,
            heads,
            balance=recognizer.balance,
        )
        whole.tail = saying.tail
        scores = {f"signals_{name}": round(value, 4) for name, value in best["figures"].items() if name != "score"}
        begun, *_ = record.trained_on.partition(LEARNT)
        new = dataclasses.replace(
            record,
            signals=FACIAL,
            heads=self.recipe.heads,
            scores={**record.scores, **scores},
            trained_on=f"{begun}{LEARNT}{len(faces)} faces with a teacher's or exact numbers",
        )
        path = self.out / f"{record.name}.safetensors"
        save_weights(whole.eval(), new, path, torch.float16)
        return path
