"""What a network's feature knows: a fresh head learns from a few faces of each class, and the network does not.

The usual probe of pre-training benchmarks (few-shot linear probing, as in "Learning Transferable Visual Models From
Natural Language Supervision", arXiv 2103.00020, section 3.2): multinomial logistic regression with a ridge,

    mean cross-entropy + |W|^2 / (2 n),   on features of mean 0 and variance 1 over the n faces it learns from.

Several draws of those faces give an interval: with one face a class it is wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from scipy.stats import t as student
from torch import Tensor

from mien.core.errors import ConfigError, DataError
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count, read_clip
from mien.evaluation.metrics import confusion, uar, war
from mien.evaluation.report import write_report
from mien.evaluation.runs import Ground, Run, find_rows
from mien.models.zoo import LoadedModel

DRAWS = 10
POOL = 4
"""Faces of a class that draws are made of, for one of the largest draw."""
AT_ONCE = 64
STEPS = 200


@dataclass(frozen=True)
class Few:
    """How a head does that has learnt from so many faces of each class.

    Attributes:
        shots: of each class; all there are of a class that has fewer.
        war: accuracy, the mean over the draws, in [0, 1].
        uar: mean recall, likewise.
        interval: 95 % of that mean of accuracies, by Student's t over the draws.
    """

    shots: int
    war: float
    uar: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Probe:
    """A model's feature on a data set.

    Attributes:
        model: its name.
        dataset: of the faces.
        split: of those that are judged.
        items: how many those are.
        rows: one for each number of shots.
    """

    model: str
    dataset: str
    split: str
    items: int
    rows: tuple[Few, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        shots = [
            {"shots": row.shots, "war": row.war, "uar": row.uar, "interval": list(row.interval)} for row in self.rows
        ]
        return {"model": self.model, "dataset": self.dataset, "split": self.split, "items": self.items, "probe": shots}

    def to_markdown(self) -> str:
        """A row for each number of shots, in percent."""
        lines = [
            f"{self.model}: a ridge-logistic head on its frozen feature, {DRAWS} draws of training faces of "
            f"{self.dataset}; {self.items} items of {self.split}. In percent.",
            "",
            "| faces a class | WAR | 95 % interval | UAR |",
            "|---|---|---|---|",
        ]
        for row in self.rows:
            low, high = (f"{100 * edge:.2f}" for edge in row.interval)
            lines.append(f"| {row.shots} | {100 * row.war:.2f} | {low} to {high} | {100 * row.uar:.2f} |")
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)


def parse_shots(text: str) -> tuple[int, ...]:
    """``1,5,10`` as numbers in order. Raises ConfigError for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 0 < int(part) <= 10_000 for part in parts):
        raise ConfigError("--probe with numbers of faces a class, as 1,5,10,100", repr(text), "change it")
    return tuple(sorted({int(part) for part in parts}))


def measure_probe(
    run: Run, ground: Ground, shots: Sequence[int], progress: Callable[[int, int], None] | None = None, seed: int = 0
) -> Probe:
    """Probe a run's network on a set's training faces, and judge it on its split.

    Raises:
        ConfigError: weights on another engine than PyTorch, or as :func:`mien.evaluation.runs.find_rows`.
        DataError: no labelled faces.
    """
    if not isinstance(run.model, LoadedModel):
        raise ConfigError("weights on PyTorch for --probe", run.model.engine, "name a .safetensors file")
    if ground.split == "train":
        raise ConfigError("a split that heads do not learn from", "train", "use --split valid")
    rows, _ = find_rows(run, ground)
    names, rng = list(rows.labels.labels), np.random.default_rng(seed)
    learnt, judged = (_labelled(rows.select(split), names) for split in ("train", ground.split))
    learnt = [
        row for name in names for row in _some([row for row in learnt if row.label == name], POOL * max(shots), rng)
    ]
    total = len(learnt) + len(judged)
    known = features(run.model, rows, learnt, lambda done: progress and progress(done, total))
    asked = features(run.model, rows, judged, lambda done: progress and progress(len(learnt) + done, total))
    targets, truth = (np.array([names.index(row.label) for row in some]) for some in (learnt, judged))
    few = tuple(few_shots(known, targets, asked, truth, len(names), count, rng) for count in shots)
    return Probe(run.model.record.name, rows.name, ground.split, len(judged), few)


def _labelled(rows: Manifest, names: Sequence[str]) -> list[Row]:
    found = [row for row in rows.rows if row.label in names]
    if not found:
        raise DataError(f"items labelled {', '.join(names)}", f"none in {rows.name}", "check its labels and splits")
    return found


def _some(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[Row]:
    return [rows[place] for place in rng.permutation(len(rows))[:count].tolist()]


@torch.no_grad()
def features(
    model: LoadedModel, rows: Manifest, chosen: Sequence[Row], progress: Callable[[int], object]
) -> Float[Tensor, "n d"]:
    """What the head of a model reads of the middle frame of every item."""
    network, found = model.network, []
    for first in range(0, len(chosen), AT_ONCE):
        some = chosen[first : first + AT_ONCE]
        images = [read_clip(rows, row, np.array([frame_count(rows, row) // 2])) for row in some]
        clips = [network.frames_of(torch.from_numpy(image)[None].float() / 255) for image in images]
        frames = torch.cat(clips).to(next(network.parameters()).device)
        found.append(network.net(frames, network.landmark_map(frames.flatten(0, 1)))[1].float().cpu())
        progress(first + len(some))
    return torch.cat(found)


def few_shots(
    known: Float[Tensor, "n d"],
    targets: Int[np.ndarray, " n"],
    asked: Float[Tensor, "m d"],
    truth: Int[np.ndarray, " m"],
    classes: int,
    shots: int,
    rng: np.random.Generator,
) -> Few:
    """Mean figures over :data:`DRAWS` draws of so many items of each class."""
    wars, uars = [], []
    for _ in range(DRAWS):
        drawn = np.concatenate([rng.permutation(np.flatnonzero(targets == one))[:shots] for one in range(classes)])
        answers = probe(known[drawn], torch.from_numpy(targets[drawn]), asked, classes)
        matrix = confusion(truth.astype(np.int64), answers, classes)
        wars.append(war(matrix))
        uars.append(uar(matrix))
    half = float(student.ppf(0.975, DRAWS - 1) * np.std(wars, ddof=1) / DRAWS**0.5)
    mean = float(np.mean(wars))
    return Few(shots, mean, float(np.mean(uars)), (mean - half, mean + half))


def probe(
    known: Float[Tensor, "n d"], targets: Int64[Tensor, " n"], asked: Float[Tensor, "m d"], classes: int
) -> Int64[np.ndarray, " m"]:
    """Train a ridge-logistic head on what is known; its answers to what is asked."""
    mean, spread = known.mean(0), known.std(0, correction=0).clamp(min=1e-6)
    x = ((known - mean) / spread).double()
    head = torch.zeros(classes, x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([head], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = F.cross_entropy(x @ head[:, 1:].T + head[:, 0], targets)
        found = found + head[:, 1:].square().sum() / (2 * len(x))
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    weights = head.detach()
    answers: Int64[np.ndarray, " m"] = (
        (((asked - mean) / spread).double() @ weights[:, 1:].T + weights[:, 0]).argmax(1).numpy()
    )
    return answers
