"""Learning expressions from labelled items, whatever they come from: one task and one run for every recipe.

S2D's two stages (arXiv 2312.05447; s2d-spec, "Recipes"): stage 1 trains the image model whole, an image being a clip of
one frame; stage 2 freezes it and learns the temporal adapters, the prompters, the norms and the head.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from mien.core.errors import ConfigError, DataError
from mien.core.settings import thread_count
from mien.core.softmax import softmax
from mien.data.datasets.ferplus import read_archive
from mien.data.manifest import Manifest, load_manifest
from mien.data.mixing import mix
from mien.data.splits import hold_out
from mien.evaluation.signals import measure_signals
from mien.models.anchors import ReliabilityBalance
from mien.models.find import find_weights
from mien.models.heads import Head
from mien.models.landmarks import fold
from mien.models.net import Net, freeze_layers, parameter_groups
from mien.models.nets import build, config_of
from mien.models.record import ModelRecord, read_record
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import LoadedModel
from mien.training.anchored import balance_of, trained_balance
from mien.training.dropped import heard_patches
from mien.training.features import see
from mien.training.finish import calibrate, figures, uncalibrated, write_facts
from mien.training.heads import (
    demand_unmirrored,
    head_terms,
    heads_of,
    parse_heads,
    signals_of,
    texts_of,
    trained_heads,
)
from mien.training.identity import person_probe
from mien.training.learner import Inputs, Learner, demand_points, net_state
from mien.training.loop import FitPlan, Report, fit
from mien.training.recipe import ClipRecipe, FaceRecipe, Judged, MovingRecipe, Recipe
from mien.training.sources import Batch, Beside
from mien.training.start import build_on_paper, is_bare, start_recognizer
from mien.training.task import Task, device_of
from mien.training.terms import Setting, StyleLabels
from mien.training.unfolded import unfold

PROBED = 4000
"""Most items, or nearly, whose person is asked for."""
UNKNOWN_LICENCE = "not stated: it depends on the data and on the weights this began with"


class LabelledTask(Task):
    """Labelled items and the network that learns them.

    Args:
        train: training rows.
        held_out: rows that every epoch is judged by.
        recognizer: the networks to begin with, see :func:`mien.training.start.start_recognizer`.
        recipe: how.
        seed: of everything random about items that are read from files.
        beside: sets that are learned beside the rows, each with the style of its labels; see :class:`Beside`.
    """

    def __init__(
        self,
        train: Manifest,
        held_out: Manifest,
        recognizer: Recognizer,
        recipe: Recipe,
        seed: int,
        beside: Sequence[tuple[str, Manifest]] = (),
    ) -> None:
        self.recipe, self.recognizer = recipe, recognizer
        self.preprocessing = recognizer.preprocessing
        landmarks = recognizer.landmarks
        self._eyes = Recognizer(recognizer.net, None if landmarks is None else fold(landmarks), self.preprocessing)
        self.source, self.styles = recipe.source(train, self._eyes, seed), {}
        if beside:
            others = [(style, recipe.source(rows, self._eyes, seed)) for style, rows in beside]
            self.source = joined = Beside(self.source, others, recipe.beside)
            self.styles = joined.styles
        self.held_out = recipe.held_out(held_out, self._eyes)
        net = recognizer.net
        net.learn_only(recipe.learn)
        freeze_layers(net, recipe.frozen)
        if recipe.layer_scale:
            unfold(net)
        net.checkpoint_blocks = recipe.checkpoint_blocks
        self.items, self.data, self.labels = len(self.source), self.source.loaded, self.source.labels
        self.idle_parameters = bool(net.needs)
        counts = torch.bincount(self.labels.clamp(min=0), minlength=len(train.labels))
        parts = recipe.parts(Setting(train.labels, net.config.dim, counts, self.source.people))
        taken = self.styles.keys() & parts.keys()
        if taken:
            expected = f"styles called otherwise than the loss' own terms, {', '.join(parts)}"
            raise ConfigError(expected, ", ".join(sorted(taken)), "change --beside")
        parts |= {style: (share, StyleLabels(style, net.head)) for style, share in self.styles.items()}
        sets = [train, *(rows for _, rows in beside)]
        self.heads = parse_heads(recipe.heads, signals_of(sets) if recipe.heads else (), recipe.texts)
        demand_unmirrored(self.heads, recipe.mirrors)
        parts |= head_terms(self.heads, net, sets, recipe.head_losses)
        identity = recipe.identity
        if identity.by_person:
            self.together = self.source.subjects, identity.together
        if recipe.drop_patches and not net.hides_patches:
            got = f"--recipe.drop-patches with {net.config.network}"
            raise ConfigError("a network whose attention can leave patches out", got, "leave it out")
        self.learner = Learner(net, parts, identity.centre)
        if self.learner.wants_points:
            demand_points(landmarks is not None, recipe.mixing)
        self.module: nn.Module = self.learner
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Set the epoch's input size."""
        sizes = self.recipe.sizes
        self.epoch = epoch
        self.size = sizes[min(epoch, len(sizes) - 1)] if sizes else self.preprocessing.input_size
        self.source.size = max(self.size, self.learner.size)

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """See :func:`mien.models.net.parameter_groups`; what terms learn, they learn at the full rate."""
        recipe = self.recipe
        groups = parameter_groups(self.recognizer.net, weight_decay, recipe.layer_decay, recipe.prompt_rate)
        own = [parameter for parameter in self.learner.terms.parameters() if parameter.requires_grad]
        return groups + ([{"params": own, "weight_decay": weight_decay}] if own else [])

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, Tensor]:
        """Every term of the recipe, weighed."""
        given = self.source.batch(batch, rng)
        clips, targets = mix(given.clips, given.targets, self.recipe.mixing, rng)
        device = device_of(module)
        clips, targets, labels = clips.to(device), targets.to(device), given.labels.to(device)
        mixed = clips is not given.clips and self.recipe.mixing.changes_clips
        plain = self.inputs(given.clips.to(device)) if mixed and self.learner.wants_plain(self.epoch) else None
        styles = {style: there.to(device) for style, there in given.styles.items()}
        known = {spec.signal.name: given.signals[spec.signal.name].to(device) for spec in self.heads}
        who = None if given.subjects is None or not self.recipe.identity.on else given.subjects.to(device)
        inputs, progress = self.inputs(clips), self.progress
        if self.recipe.drop_patches:
            grid = self.size // self.recognizer.net.config.patch
            inputs = inputs._replace(heard=heard_patches(len(clips), grid, self.recipe.drop_patches, rng).to(device))
        other = self.inputs(clips.flip(-1)) if self.learner.wants_mirrored else None
        parts: dict[str, Tensor] = module(
            inputs, clips, targets, labels, self.epoch, plain, styles, known, who, progress, other
        )
        return parts

    def inputs(self, clips: Tensor) -> Inputs:
        """What the network takes of clips in [0, 1]."""
        frames = self._eyes.frames_of(clips, self.size)
        eyes = self._eyes.to(frames.device)
        found = eyes.landmark_map(frames.flatten(0, 1))
        points = None
        if self.learner.wants_points and eyes.landmarks is not None and found is not None:
            with torch.no_grad():
                points = eyes.landmarks.points(found).view(*frames.shape[:2], -1, 2)
        return Inputs(frames, found, points)

    def judge(self, net: nn.Module, balance: ReliabilityBalance | None = None) -> Judged:
        """A network's answers to the held-out items, corrected by the anchors that it learned with."""
        eyes = self._eyes
        judged = Recognizer(net, eyes.landmarks, eyes.preprocessing, balance=balance)  # type: ignore[arg-type]
        judged = judged.to(device_of(net)).eval()
        return self.recipe.judge(judged, self.held_out)

    def validate(self, module: nn.Module) -> dict[str, float]:
        """WAR, UAR and loss on the held-out items."""
        assert isinstance(module, Learner)
        judged = self.judge(module.net, balance_of(module.terms))
        probabilities = softmax(judged.logits)
        loss = float(-(judged.targets * np.log(probabilities.clip(1e-12))).sum(1).mean())
        found = {**figures(probabilities, judged.labels), "loss": loss}
        if self.heads:
            found |= self.judge_heads(module.net, heads_of(self.heads, module.terms))
        scores = {**found, "loss": -loss, "last": float(self.epoch)}
        return {**found, "score": scores[self.recipe.score]}

    def judge_heads(self, net: nn.Module, heads: Mapping[str, Head]) -> dict[str, float]:
        """Figures of what heads say of the held-out items, thresholds of flags swept on them."""
        judged = Recognizer(net, self._eyes.landmarks, self.preprocessing, heads).to(device_of(net)).eval()  # type: ignore[arg-type]
        assert isinstance(self.held_out, Manifest)
        record = ModelRecord(
            "in training",
            self.held_out.labels,
            self.preprocessing,
            {"frames": self.recognizer.net.config.frames},
            self.recipe.frames,
            signals=tuple(spec.signal for spec in self.heads),
            heads={spec.signal.name: spec.kind for spec in self.heads},
            texts=texts_of(self.heads),
        )
        found = measure_signals(LoadedModel(judged, record), self.held_out, self.recipe.views, sweep=True)
        return {} if found is None else found.scores()

    def pictures(self, batch: Any) -> Tensor | None:
        """The first frames of the clips, as augmented; of items in memory none."""
        return batch[0][:, 0] if isinstance(batch, Batch | tuple | list) else None


@dataclass(frozen=True)
class LabelledRun:
    """Train on any set of labelled images or clips, from its rows to calibrated weights.

    Attributes:
        data: folder of a set prepared by `mien prepare`; or the FERPlus .npz.
        out: folder of the run; gets NAME.safetensors and run.json.
        start: what to begin with: weights of mien (a name, a file, a folder, hf://owner/repository@revision) or a plain
            ViT's .safetensors; none: random numbers. Of a deeper model blocks are taken at even distances, for another
            input size positions are resampled.
        backbone: a plain ViT's .safetensors (timm names) to begin with, where there is no start.
        landmarks: whose landmark net to take: landmarks.safetensors of a landmark run, or weights of mien; empty: that
            of the start, of s2d-small where it brings none.
        beside: sets of single faces learned beside the data, of which some join every batch (--recipe.beside); FOLDER
            where the labels mean the same, STYLE=FOLDER for a head of their own, written as NAME-STYLE.safetensors.
        fold: of a set with folds.
        protocol: clean chooses epoch and calibration on training data held out; official as published: every epoch is
            judged on the test split and the best one reported. Never compare one with the other.
        name: of the weights.
        licence: of the weights; empty: the start's where temporal parts alone learn, else not stated.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: model, items and loss.
    """

    data: Path | None = None
    out: Path = Path("runs/clips")
    start: str | None = None
    backbone: Path | None = None
    landmarks: str = ""
    beside: tuple[str, ...] = ()
    fold: int = 0
    protocol: Literal["clean", "official"] = "clean"
    name: str = "model"
    licence: str = ""
    resume: bool = False
    fit: FitPlan = field(default_factory=FitPlan)
    recipe: ClipRecipe | FaceRecipe | MovingRecipe = field(default_factory=ClipRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the model's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        train, held_out = self.rows()
        if self.recipe.learn == "temporal":
            self._demand_image_model(train)
        beside = [self._beside(word, train) for word in self.beside]
        task = LabelledTask(train, held_out, self.first(train), self.recipe, self.fit.seed, beside)
        write_facts(self, train.name, self.fold, self.protocol)
        return self.write(task, fit(task, self.fit, self.out, self.resume, report))

    def rows(self) -> tuple[Manifest, Manifest]:
        """Training rows, and those that every epoch is judged by.

        Raises:
            ConfigError: no such fold, or no data.
            DataError: labels are missing.
        """
        if self.data is None:
            raise ConfigError("--data with a prepared set", "no --data", "make one with `mien prepare`")
        whole = self._whole(self.data)
        if self.fold not in whole.folds:
            raise ConfigError(
                f"a fold of {whole.name}: {', '.join(map(str, whole.folds))}", str(self.fold), "add --fold"
            )
        whole = whole.select(fold=self.fold)
        unlabelled = (whole.indices() < 0).any()
        if unlabelled and (self.fit.balanced or not self.recipe.heads):
            raise DataError("a label for every item", f"{self.data} with items that have none", "leave them out")
        if self.protocol == "official":
            return whole.select("train"), whole.select("test")
        whole = hold_out(whole, seed=self.fit.seed)
        return whole.select("train"), whole.select("valid")

    def _whole(self, data: Path) -> Manifest:
        if data.suffix == ".npz":
            return read_archive(data, every_vote=self.recipe.every_vote)
        if self.recipe.every_vote:
            raise ConfigError("the FERPlus .npz for --recipe.no-majority-only", str(data), "prepared rows have one")
        return load_manifest(data)

    def _beside(self, word: str, data: Manifest) -> tuple[str, Manifest]:
        """Style and training rows of a set that is learned beside the data."""
        if not isinstance(self.recipe, FaceRecipe) or self.recipe.mixing.changes_clips:
            raise ConfigError("--beside with a recipe of single faces that mixes none", word, "leave it out")
        style, _, folder = word.rpartition("=")
        if style and re.fullmatch("[a-z][a-z0-9_-]{0,39}", style) is None:
            raise ConfigError("STYLE=FOLDER with a style of small letters", word, "change --beside")
        rows = load_manifest(Path(folder)).select("train")
        if rows.labels.labels != data.labels.labels:
            expected = f"a set with the labels of {data.name}: {', '.join(data.labels.labels)}"
            raise ConfigError(expected, f"{folder}: {', '.join(rows.labels.labels)}", "change --beside")
        return style, rows

    def first(self, rows: Manifest) -> Recognizer:
        """The networks to begin with."""
        config, changes = self.recipe.shape()
        start = self.start or (None if self.backbone is None else str(self.backbone))
        preprocessing = self.recipe.preprocessing(rows)
        return start_recognizer(
            config, changes, rows.labels, start, self.landmarks, preprocessing, self.recipe.zero_init
        )

    def _demand_image_model(self, rows: Manifest) -> None:
        """Where temporal parts alone learn, what they begin with must know the labels."""
        if self.start is not None and not is_bare(Path(self.start)):
            record = read_record(find_weights(self.start))
            needs = build_on_paper(config_of(record.network, record.config)).needs
            if record.labels.labels == rows.labels.labels and record.is_image_model and "landmark_map" in needs:
                return
        expected = f"an image model with the labels of {rows.name} and a landmark net to start from"
        raise ConfigError(expected, str(self.start), "choose another --start")

    def write(self, task: LabelledTask, best: Path) -> Path:
        """Write the best epoch's weights, calibrated on the held-out items of the clean protocol."""
        # A network of its own: the task's may be split over devices that are gone by now.
        net: Net = build(task.recognizer.net.config)
        chosen = read_torch(best)
        state = chosen["module"]
        net.load_state_dict(net_state(state))
        balance = trained_balance(task.learner.terms, state)
        judged = task.judge(net.to(device_of(task.recognizer.net)), balance)
        shown = [spec for spec in task.heads if spec.shown]
        heads = trained_heads(shown, state, net.config.dim)
        eyes = task.recognizer.landmarks
        recognizer = Recognizer(net, eyes, task.preprocessing, heads, balance=balance).cpu().eval()
        if self.protocol == "clean":
            calibrated, split = calibrate(judged.logits, judged.labels), "valid"
        else:
            calibrated, split = uncalibrated(judged.logits, judged.labels), "official_test"
        rows = task.source.rows
        begun = f"{self.recipe.judged_as(rows.name)}_{split}"
        scores = {f"{begun}_{name}": value for name, value in calibrated.figures.items()}
        of_heads = tuple(f"{spec.signal.name}{sign}" for spec in task.heads for sign in "_.")
        scores |= {f"{begun}_{name}": value for name, value in chosen["figures"].items() if name.startswith(of_heads)}
        if self.recipe.learn == "temporal":
            # Fresh temporal parts add nothing: this is the image model, averaged over the frames.
            fresh = task.judge(replace(self, recipe=replace(self.recipe, zero_init=True)).first(rows).net)
            averaged = calibrate(fresh.logits, fresh.labels).figures
            scores |= {f"{begun}_{name}_averaging": value for name, value in averaged.items()}
        if self.recipe.identity.on:
            scores |= self._probed(recognizer, task)
        record = ModelRecord(
            name=self.name,
            labels=rows.labels,
            preprocessing=task.preprocessing,
            config={},
            frames=self.recipe.frames,
            window=self.recipe.window(rows),
            temperature=calibrated.reading.temperature,
            threshold=calibrated.reading.threshold,
            bias=calibrated.reading.bias,
            trained_on=f"{rows.name}, {task.items} items, from {self.start or self.backbone or 'random numbers'}",
            dataset=rows.name,
            fold=self.fold,
            protocol=self.protocol,
            licence=self.licence or self._licence_of_start(),
            scores={name: round(value, 4) for name, value in scores.items()},
            signals=tuple(spec.signal for spec in shown),
            heads={spec.signal.name: spec.kind for spec in shown},
            texts=texts_of(shown),
        )
        path = self.out / f"{self.name}.safetensors"
        save_weights(recognizer, record, path, torch.float16)
        recognizer.balance = None  # the anchors are of these labels alone
        for style in task.styles:
            net.head.load_state_dict({name: state[f"terms.{style}.head.{name}"] for name in ("weight", "bias")})
            other = replace(record, name=f"{self.name}-{style}", scores={}, temperature=1.0, threshold=0.0, bias=())
            save_weights(recognizer, other, self.out / f"{other.name}.safetensors", torch.float16)
        return path

    def _probed(self, recognizer: Recognizer, task: LabelledTask) -> dict[str, float]:
        """How well a linear probe tells the training people apart, and by chance."""
        step = max(1, task.items // PROBED)
        some = replace(task.source.rows, rows=task.source.rows.rows[::step])
        feature = see(recognizer, some, self.recipe.frames).feature
        found, chance = person_probe(feature, task.source.subjects.numpy()[::step])
        return {f"{some.name}_train_person_probe": found, f"{some.name}_train_person_chance": chance}

    def _licence_of_start(self) -> str:
        if self.recipe.learn != "temporal" or self.start is None:
            return UNKNOWN_LICENCE
        return read_record(find_weights(self.start)).licence or UNKNOWN_LICENCE
