"""A model made fit for unlabelled faces of another kind, without the data it learnt from: CluP (arXiv 2210.05246).

:mod:`mien.training.clusters` has the paper's rule. The paper clusters self-supervised features (SwAV) and trains a new
ResNet-18 on the trusted items; here features come from `mien pretrain` or a file, and by default the model's head alone
learns. Every class is drawn as often, which the paper does not do: the trusted items have the classes as the model
answers them, and with its mistakes in those shares nothing was gained on drawn faces.

Where the clusters disagree with themselves, nothing is learned: see :func:`refusals`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from mien.core import checks
from mien.core.errors import ConfigError, DataError
from mien.core.files import whole_file
from mien.core.labels import LabelSpace
from mien.core.settings import thread_count
from mien.data.clip_transforms import ClipAugmentation
from mien.data.datasets.ferplus import read_archive
from mien.data.manifest import SET, Manifest, Row, load_manifest
from mien.models.find import find_weights
from mien.models.record import ModelRecord
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.training.clusters import Clustered, cluster, cluster_labels, purest
from mien.training.features import features_from, see
from mien.training.finish import demand_same
from mien.training.labelled import LabelledTask
from mien.training.learner import net_state
from mien.training.loop import FitPlan, Report, fit
from mien.training.recipe import ClipRecipe
from mien.training.start import demand_no_anchors
from mien.training.unlabelled import PictureFiles, open_crops

Learns = Literal["head", "norm", "all"]
OWN = "own"
LEAST_PURITY, LEAST_KEPT = 0.6, 20
JUDGED = 512
FIT = FitPlan(epochs=10, batch=32, lr=1e-3, weight_decay=5e-4, ema=0.0, balanced=True, workers=1)


class AdaptTask(LabelledTask):
    """Trusted items and the part of a network that learns from them; the rest, batch norms too, is as in use.

    Args:
        rows: the items, with the labels of their clusters.
        recognizer: the networks.
        recipe: what the items are shown as.
        seed: of everything random about them.
        learn: see :class:`AdaptRun`.
    """

    def __init__(self, rows: Manifest, recognizer: Recognizer, recipe: ClipRecipe, seed: int, learn: Learns) -> None:
        step = max(1, len(rows) // JUDGED)
        judged = dataclasses.replace(rows, rows=rows.rows[::step])
        super().__init__(rows, judged, recognizer, recipe, seed)
        net = recognizer.net
        learning = {"head": list(net.head.parameters()), "norm": net.layers()[-1], "all": list(net.parameters())}
        net.requires_grad_(False)
        for parameter in learning[learn]:
            parameter.requires_grad_(True)

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, Tensor]:
        """As the labelled task's, but of a network that drops nothing and keeps its statistics."""
        module.eval()
        return super().loss(module, batch, rng)


@dataclass(frozen=True)
class AdaptRun:
    """Adapt a model to unlabelled faces of another kind (CluP). It refuses where that would rather do harm.

    With --forget instead, a model unlearns items or people: `mien adapt MODEL --forget LIST --help`.

    Attributes:
        model: weights of mien: a name, a file, a folder.
        data: what to adapt to: a folder of face crops, searched with all folders below; a set made by `mien prepare`
            (its training split); the FERPlus .npz. Labels are not read.
        out: folder of the run; gets NAME.safetensors, and adapt.json: purity, and the classes before and after.
        features: what is clustered: encoder.safetensors of `mien pretrain` on the same faces; or .npz with ids and
            features of another encoder. own: the model's; on FERPlus that lost 2 to 4 points.
        clusters: how many; 0: one for every 20 faces, 1,000 at most.
        share: the purest share of each class that is learnt from.
        soft: learn the shares of the model's answers in a cluster instead of its label.
        learn: the head alone; norm: the last norm too; all: everything. Other heads, of signals, read the same feature:
            with those, only the head.
        anyway: learn where it is refused, to measure what that does; adapt.json keeps what was refused.
        fold: of a set with folds.
        name: of the weights; empty: MODEL-adapted.
        resume: go on from the last checkpoint.
        fit: optimisation.
        augmentation: changes of the faces.
    """

    model: str
    data: Path | None = None
    out: Path = Path("runs/adapted")
    features: str = ""
    clusters: int = 0
    share: float = 0.3
    soft: bool = False
    learn: Learns = "head"
    anyway: bool = False
    fold: int = 0
    name: str = ""
    resume: bool = False
    fit: FitPlan = FIT
    augmentation: ClipAugmentation = field(default_factory=lambda: ClipAugmentation(crop_scale=(0.85, 1.0), flip=0.5))

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError("--share above 0, up to 1", str(self.share), "the paper's best are 0.1 to 0.3")
        if not self.features:
            fix = "make it with `mien pretrain FOLDER`; or say --features own"
            raise ConfigError("--features with what `mien pretrain` made of these faces", "none", fix)

    def run(self, report: Report | None = None) -> Path:
        """Adapt; the path of the weights comes back.

        Raises:
            ConfigError, DataError, WeightsError: settings, faces or weights that do not fit.
            DataError: refused, see :func:`refusals`.
        """
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        recognizer, record = load_weights(find_weights(self.model))
        demand_no_anchors(record, self.model)
        if self.learn != "head" and record.heads:
            got = f"--learn {self.learn} and {', '.join(record.heads)}"
            raise ConfigError("--learn head with weights whose other heads read the feature", got, "leave --learn out")
        name = self.name or f"{record.name}-adapted"
        checks.file_name("--name", name)
        say = report or (lambda line: None)
        rows = unlabelled_rows(self._data(), record.labels, self.fold, lambda text: say({"warning": text}))
        seen = see(recognizer, rows, record.frames)
        answers = record.calibration.probabilities(seen.logits).argmax(1)
        features = seen.feature if self.features == OWN else features_from(Path(self.features), rows)
        clusters = cluster(features, self.clusters, self.fit.seed)
        found = cluster_labels(clusters, answers, len(record.labels))
        kept = purest(found.labels, found.purity, self.share)
        facts = self._facts(record, found, kept, answers, int(clusters.max()) + 1)
        demand_same(self.out / "adapt.json", self)
        self._keep(facts)
        if facts["refused"] and not self.anyway:
            fix = "better features (`mien pretrain` for longer), more faces, or leave the model as it is"
            raise DataError("clusters that agree with the model", "; ".join(facts["refused"]), fix)
        if not len(kept):
            raise DataError("faces to learn from", f"none of {len(rows)}", "use a larger --share, or more faces")
        for text in facts["refused"]:
            say({"warning": f"learnt all the same: {text}"})
        say({name: facts[name] for name in ("items", "clusters", "purity", "purity_kept")})
        recipe = ClipRecipe(frames=record.frames, score="last", augmentation=self.augmentation)
        task = AdaptTask(_trusted(rows, found, kept, self.soft), recognizer, recipe, self.fit.seed, self.learn)
        best = fit(task, self.fit, self.out, self.resume, report)
        net = recognizer.net.cpu()
        net.load_state_dict(net_state(read_torch(best)["module"]))
        recognizer.eval()
        after = see(recognizer, rows, record.frames).logits.argmax(1)
        self._keep(facts | {"after": _shares(after, record)})
        path = self.out / f"{name}.safetensors"
        save_weights(recognizer, self._record(record, name, rows, len(kept)), path, torch.float16)
        return path

    def _data(self) -> Path:
        if self.data is None:
            raise ConfigError("--data with faces to adapt to", "no --data", "give a folder of face crops")
        return self.data

    def _facts(
        self,
        record: ModelRecord,
        found: Clustered,
        kept: Int64[np.ndarray, " k"],
        answers: Int64[np.ndarray, " n"],
        clusters: int,
    ) -> dict[str, Any]:
        """What ``adapt.json`` says before anything is learnt."""
        counts = np.bincount(found.labels[kept], minlength=len(record.labels)).tolist()
        return {
            "model": record.name,
            "sha256": record.sha256,
            "items": len(answers),
            "clusters": clusters,
            "purity": float(found.purity.mean()),
            "purity_kept": float(found.purity[kept].mean()) if len(kept) else 0.0,
            "kept": dict(zip(record.labels.labels, counts, strict=True)),
            "before": _shares(answers, record),
            "by_cluster": _shares(found.labels, record),
            "refused": refusals(found, kept, answers, record.labels.labels),
            "calibration": "the start's temperature and threshold: nothing was measured on these faces",
            "fields": dataclasses.asdict(self),
        }

    def _keep(self, facts: dict[str, Any]) -> None:
        with whole_file(self.out / "adapt.json") as draft:
            draft.write_text(json.dumps(facts, indent=2, default=str) + "\n")

    def _record(self, old: ModelRecord, name: str, rows: Manifest, kept: int) -> ModelRecord:
        """The start's, without figures of it: the new head was balanced, so no reading of the old logits holds."""
        return dataclasses.replace(
            old,
            name=name,
            scores={},
            bias=(),
            calibrations={},
            prior="trained",
            trained_on=f"{old.trained_on}; adapted by clusters: {kept} of {len(rows)} faces of {rows.name}",
        )


def refusals(
    found: Clustered, kept: Int64[np.ndarray, " k"], answers: Int64[np.ndarray, " n"], labels: tuple[str, ...]
) -> list[str]:
    """Why not to learn from these clusters, one sentence each; empty: no reason.

    A mean purity under 0.6, a class that the model answers and no cluster has, and a class with fewer than 20 items to
    learn from: CluP loses rare classes first.
    """
    reasons = []
    if found.purity.mean() < LEAST_PURITY:
        reasons.append(f"mean purity {found.purity.mean():.2f}, at least {LEAST_PURITY} is needed")
    answered, named = np.bincount(answers, minlength=len(labels)), np.bincount(found.labels, minlength=len(labels))
    counts = np.bincount(found.labels[kept], minlength=len(labels))
    for label, before, after, count in zip(labels, answered, named, counts, strict=True):
        if before and not after:
            reasons.append(f"{label}, answered {before} times, is in no cluster the commonest")
        elif 0 < count < LEAST_KEPT or (after and not count):
            reasons.append(f"{count} faces to learn {label} from, at least {LEAST_KEPT} are needed")
    return reasons


def unlabelled_rows(data: Path, labels: LabelSpace, fold: int, complain: Callable[[str], None]) -> Manifest:
    """The faces at ``data``, without labels; of sets with splits the training split alone.

    Args:
        data: see :class:`AdaptRun`.
        labels: the model's.
        fold: of a prepared set with folds; else 0.
        complain: hears of every picture that cannot be read and is left out.

    Raises:
        DataError: nothing there that could be read.
    """
    if (data / SET).is_file():
        given = load_manifest(data).select("train", fold)
    elif data.suffix == ".npz" and data.is_file():
        given = read_archive(data, every_vote=True).select("train")
    else:
        crops = open_crops(data, fold, complain)
        assert isinstance(crops, PictureFiles)
        places = [path.relative_to(data).as_posix() for path in crops.paths]
        files = tuple(Row(place, place, "image", "", "train") for place in places)
        given = Manifest(data.resolve().name, labels, files, data)
    bare = tuple(dataclasses.replace(row, label="", votes=()) for row in given.rows)
    return dataclasses.replace(given, labels=labels, rows=bare)


def _trusted(rows: Manifest, found: Clustered, kept: Int64[np.ndarray, " k"], soft: bool) -> Manifest:
    """The kept items with the labels of their clusters."""
    names = rows.labels.labels
    trusted = tuple(
        dataclasses.replace(
            rows.rows[place],
            label=names[found.labels[place]],
            votes=tuple(found.shares[place].tolist()) if soft else (),
        )
        for place in kept.tolist()
    )
    return dataclasses.replace(rows, rows=trusted)


def _shares(answers: Int64[np.ndarray, " n"], record: ModelRecord) -> dict[str, float]:
    counts: Float64[np.ndarray, " c"] = np.bincount(answers, minlength=len(record.labels)) / len(answers)
    return dict(zip(record.labels.labels, counts.round(4).tolist(), strict=True))
