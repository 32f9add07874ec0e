"""Features once, heads many: heads for signals of a set, on weights that stay as they are.

The network is asked once for every item's feature, as in use; heads learn on those in seconds. What the weights say of
the expression, and of other signals, does not move by a digit. No labels of expression are needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.core.settings import thread_count
from mien.core.signals import distinct
from mien.data.manifest import Manifest, load_manifest
from mien.data.splits import hold_out
from mien.evaluation.signals import SignalFigures, figures_of
from mien.evaluation.views import FRAMES_A_PASS, mean_answers
from mien.models.find import find_weights
from mien.models.heads import Head
from mien.models.record import ModelRecord
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.models.zoo import LoadedModel
from mien.training.finish import write_facts
from mien.training.heads import HeadSpec, built_heads, demand_known, numbers_of, parse_heads, texts_of
from mien.training.loop import FitPlan, Report, fit
from mien.training.masked import HeadLosses, loss_for
from mien.training.task import Task, device_of, matrices_decay

KINDS = ("linear", "plane", "level", "text")
"""Those that begin with one linear layer on the feature, which what they learn on can be folded into."""
LEAST_SPREAD = 1e-2
"""Of a feature's number, as a share of all numbers' mean spread: one that never moves must not weigh without bounds."""
LEARNT = "; heads: "
"""Begins the part of a record's `trained_on` that is about these heads."""


@dataclass(frozen=True)
class HeadRecipe:
    """What is learned.

    Attributes:
        heads: of signals that the data have, as signal=kind or signal=kind:weight; kinds that read the feature: linear,
            plane, level, text.
        head_losses: what they learn by.
        texts: JSON file of vectors for the labels of heads of kind text; None: the labels' action units.
        views: stretches of a clip whose features are averaged.
    """

    heads: tuple[str, ...] = ()
    head_losses: HeadLosses = field(default_factory=HeadLosses)
    texts: Path | None = None
    views: int = 2


class Heads(nn.Module):
    """Heads on one feature.

    Args:
        heads: by signal.
    """

    def __init__(self, heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(dict(heads))

    def forward(self, feature: Float[Tensor, "b d"]) -> dict[str, Float[Tensor, "b k"]]:
        """What each says, before softmax and sigmoid."""
        return {name: head(feature) for name, head in self.heads.items()}


class HeadTask(Task):
    """Features, brought to mean 0 and spread 1, and what is known of their items.

    Args:
        specs: the heads.
        losses: what they learn by.
        train: features of the training items.
        rows: those items.
        held_out: features of the items that every epoch is judged by.
        judged: those items.
    """

    def __init__(
        self,
        specs: Sequence[HeadSpec],
        losses: HeadLosses,
        train: Float[Tensor, "n d"],
        rows: Manifest,
        held_out: Float[Tensor, "m d"],
        judged: Manifest,
    ) -> None:
        spread = train.std(0, correction=0)
        self.middle, self.spread = train.mean(0), spread.clamp(min=LEAST_SPREAD * max(spread.mean().item(), 1e-6))
        self.train, self.held_out = ((part - self.middle) / self.spread for part in (train, held_out))
        self.specs, self.items = specs, len(train)
        self.known = {spec.signal.name: numbers_of(rows, spec.signal) for spec in specs}
        self.wanted = {spec.signal.name: numbers_of(judged, spec.signal).double().numpy() for spec in specs}
        self.losses = {
            one.signal.name: loss_for(one.kind, one.signal, self.known[one.signal.name], losses) for one in specs
        }
        self.module: nn.Module = Heads(built_heads(specs, train.shape[1]))

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices only."""
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """A head each, weighed."""
        device, found = device_of(module), {}
        said = module(self.train[batch].to(device))
        for spec in self.specs:
            name = spec.signal.name
            found[name] = spec.weight * self.losses[name](
                said[name].float(), self.known[name][batch].to(device), self.progress
            )
        return found

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Figures of the held-out items; the score is the mean of the signals' headline figures."""
        found = self.figures(module)
        plain = {name: value for one in found for name, value in one.scores().items() if np.isfinite(value)}
        heads = [one.value.value for one in found if np.isfinite(one.value.value)]
        return {**plain, "score": float(np.mean(heads)) if heads else 0.0}

    @torch.no_grad()
    def folded(self, head: Any) -> Any:
        """A head that learned here, for features as the network gives them."""
        layer: nn.Linear = head.layer
        layer.weight.div_(self.spread)
        layer.bias.sub_(layer.weight @ self.middle)
        return head

    def figures(self, heads: nn.Module) -> list[SignalFigures]:
        """Of what heads say of the held-out items; thresholds of flags are swept on them."""
        with torch.no_grad():
            said = heads(self.held_out.to(device_of(heads)))
        found = []
        for spec in self.specs:
            wanted = self.wanted[spec.signal.name]
            known = ~np.isnan(wanted).all(1)
            raw = said[spec.signal.name].double().cpu().numpy()[known]
            found.append(figures_of(spec.signal, spec.signal.values(raw), wanted[known], spec.kind == "level", None, 0))
        return found


@dataclass(frozen=True)
class HeadRun:
    """Give weights heads for what a prepared set knows beside the expression. What they say else stays as it is.

    Attributes:
        data: folder of a prepared set with signals.
        start: weights of mien: a name, a file or a folder.
        out: folder of the run; gets NAME.safetensors and run.json.
        fold: of a set with folds.
        name: of the weights.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: what is learned.
    """

    data: Path
    start: str = "s2d-small"
    out: Path = Path("runs/heads")
    fold: int = 0
    name: str = "heads"
    resume: bool = False
    fit: FitPlan = FitPlan(epochs=30, batch=64, lr=1e-2, warmup=0.05, weight_decay=0.01, ema=0.98, precision="fp32")
    recipe: HeadRecipe = field(default_factory=HeadRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the weights with their new heads comes back.

        Raises:
            ConfigError: no head, or one of another kind.
            DataError: a set without such signals.
        """
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        whole = load_manifest(self.data)
        specs = self.specs(whole)
        whole = hold_out(whole.select(fold=self.fold), seed=self.fit.seed)
        train, held_out = whole.select("train"), whole.select("valid")
        for spec in specs:
            demand_known(spec.signal, (train, held_out), "--recipe.heads")
        recognizer, record = load_weights(find_weights(self.start))
        parts = [features(recognizer, record, rows, self.recipe.views) for rows in (train, held_out)]
        task = HeadTask(specs, self.recipe.head_losses, parts[0], train, parts[1], held_out)
        write_facts(self, train.name, self.fold)
        best = read_torch(fit(task, self.fit, self.out, self.resume, report))
        task.module.cpu().load_state_dict(best["module"])
        assert isinstance(task.module, Heads)
        heads = {name: task.folded(head) for name, head in task.module.heads.items()}
        scores = {f"{train.name}_valid_{name}": value for name, value in best["figures"].items() if name != "score"}
        new = self._record(record, specs, scores, train)
        path = self.out / f"{self.name}.safetensors"
        save_weights(with_new_heads(recognizer, heads, new), new, path, halved(recognizer))
        return path

    def specs(self, rows: Manifest) -> list[HeadSpec]:
        """The heads that are named. Raises ConfigError for none, or for one that is not to be had here."""
        specs = parse_heads(self.recipe.heads, rows.signals, self.recipe.texts)
        if not specs:
            known = ", ".join(one.name for one in rows.signals) or "none"
            raise ConfigError(f"--recipe.heads for signals of {rows.name} ({known})", "none", "say affect=plane, e.g.")
        for spec in specs:
            if not spec.shown:
                fix = "learn it beside the expression, with --recipe.heads of `mien train images`"
                raise ConfigError("signals that may be shown: docs/intended-use.md", spec.signal.name, fix)
            if spec.kind not in KINDS:
                raise ConfigError(f"a head of a frozen feature: {', '.join(KINDS)}", spec.kind, "change --recipe.heads")
        return specs

    def _record(
        self, record: ModelRecord, specs: Sequence[HeadSpec], scores: Mapping[str, float], rows: Manifest
    ) -> ModelRecord:
        taken = {spec.signal.name for spec in specs}
        kept = tuple(signal for signal in record.signals if signal.name not in taken)
        begun, *_ = record.trained_on.partition(LEARNT)
        return dataclasses.replace(
            record,
            name=self.name,
            signals=distinct((*kept, *(spec.signal for spec in specs))),
            heads={**record.heads, **{spec.signal.name: spec.kind for spec in specs}},
            texts={**{name: of for name, of in record.texts.items() if name not in taken}, **texts_of(specs)},
            scores={**record.scores, **{name: round(value, 4) for name, value in scores.items()}},
            trained_on=f"{begun}{LEARNT}{', '.join(sorted(taken))} from {len(rows)} items of {rows.name}",
        )


def features(recognizer: Recognizer, record: ModelRecord, rows: Manifest, views: int) -> Float[Tensor, "n d"]:
    """What heads read of every item, as in use.

    Raises:
        DataError: an item that cannot be read.
    """

    def ask(clips: Any) -> Any:
        with torch.inference_mode():
            return recognizer.answer(recognizer.frames_of(torch.from_numpy(clips).float() / 255), ()).feature.numpy()

    found, failures = mean_answers(LoadedModel(recognizer, record), ask, rows, list(rows.rows), views, FRAMES_A_PASS)
    if failures:
        raise next(iter(failures.values()))
    return torch.from_numpy(found).float()


def with_new_heads(recognizer: Recognizer, heads: Mapping[str, Any], record: ModelRecord) -> Recognizer:
    """The same networks with more heads, or others for a signal that they say already."""
    old = {name: head for name, head in recognizer.heads.items() if isinstance(head, Head)}
    says = [signal.name for signal in record.signals]
    whole = Recognizer(
        recognizer.net, recognizer.landmarks, recognizer.preprocessing, {**old, **heads}, says, recognizer.balance
    )
    whole.tail = recognizer.tail if whole.tail is not None else None
    return whole.eval()


def halved(recognizer: Recognizer) -> torch.dtype | None:
    """Half precision where these weights lose nothing by it, as those that were stored so."""
    floats = [part for part in recognizer.state_dict().values() if part.dtype == torch.float32]
    return torch.float16 if all(torch.equal(part, part.half().float()) for part in floats) else None
