"""Mirror consistency: the divergence by hand, what the second pass is given, and that answers come together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_people import CLASSES, as_set, draw_people

from mien.core.labels import LabelSpace
from mien.data.manifest import load_manifest
from mien.data.transforms import Augmentation
from mien.models.landmarks import MobileFaceNet
from mien.models.net import Answer
from mien.models.nets import build
from mien.models.record import Preprocessing
from mien.models.shape import S2DConfig
from mien.models.weights import Recognizer
from mien.training.labelled import LabelledTask
from mien.training.loop import FitPlan, fit
from mien.training.mirrored import Mirror
from mien.training.recipe import FaceRecipe
from mien.training.terms import Setting, Step

STILL = Augmentation(flip=0.0)
SHAPE = S2DConfig(24, 8, 32, 2, 2, CLASSES)


def test_the_divergence_is_half_of_jeffreys_and_only_ours_has_a_gradient() -> None:
    rng = np.random.default_rng(0)
    ours, other = (torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32).requires_grad_(True) for _ in range(2))
    feature, targets = torch.zeros(5, 2), torch.full((5, 3), torch.nan)
    term = Mirror(Setting(LabelSpace("three", ("a", "b", "c")), 2, torch.ones(3, dtype=torch.long)))
    step = Step(
        torch.zeros(5, 1, 1, 4, 4), targets, targets[:, 0].long(), 0, lambda: Answer(ours, feature),
        mirrored=lambda: Answer(other.detach(), feature),
    )  # fmt: skip
    loss = term(Answer(ours, feature), step)
    p, q = (logits.detach().double().softmax(1).numpy() for logits in (ours, other))
    by_hand = ((p * np.log(p / q)).sum(1) + (q * np.log(q / p)).sum(1)).mean() / 2
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)
    assert term(Answer(other, feature), step).item() == pytest.approx(0, abs=1e-7)
    loss.backward()
    assert ours.grad is not None
    assert other.grad is None


def task_of(folder: Path, terms: tuple[str, ...], prompts: bool) -> LabelledTask:
    """Drawn faces, of which happiness and anger are lit from one side each: a cue that a mirror turns round."""
    torch.manual_seed(0)
    drawn = draw_people(np.full((6, CLASSES), 1 / CLASSES), 12, 24, 3, (0.2, 0.4))
    light = np.linspace(-1, 1, 24) * np.where(drawn.labels % 2, 60, -60)[:, None, None, None]
    drawn = drawn._replace(images=np.clip(drawn.images + light, 0, 255).astype(np.uint8))
    rows = load_manifest(as_set(folder, drawn).root)
    config = replace(SHAPE, prompts=prompts)
    landmarks = MobileFaceNet() if prompts else None
    recognizer = Recognizer(build(config), landmarks, Preprocessing(24, 24, colour="grey"))
    recipe = FaceRecipe(model=config, augmentation=STILL, frames=1, terms=terms, score="last")
    return LabelledTask(rows.select("train"), rows.select("train"), recognizer, recipe, 0)


def test_the_second_pass_sees_the_mirrored_clip_with_landmarks_of_its_own(tmp_path: Path) -> None:
    task, taken = task_of(tmp_path, ("labels", "mirror"), prompts=True), []
    task.recognizer.net.register_forward_hook(lambda _, given, __: taken.append((*given, torch.is_grad_enabled())))
    losses = task.loss(task.module, torch.arange(6), torch.Generator().manual_seed(0))
    assert losses.keys() == {"labels", "mirror"}
    assert losses["mirror"] > 0
    (frames, places, learns), (mirrored, there, also) = taken
    assert (learns, also) == (True, False)
    torch.testing.assert_close(mirrored, frames.flip(-1))
    torch.testing.assert_close(there, task._eyes.landmark_map(mirrored.flatten(0, 1)))
    assert (there - places).abs().max() > 1e-3
    alone, taken[:] = task_of(tmp_path / "alone", ("labels",), prompts=True), []
    assert not alone.learner.wants_mirrored


def apart(task: LabelledTask) -> float:
    """Mean distance (L1) of the probabilities of faces and of the mirrored faces."""
    clips = task.source.batch(torch.arange(len(task.source)), torch.Generator()).clips
    task.recognizer.eval()
    with torch.no_grad():
        p, q = (task.recognizer.logits(task._eyes.frames_of(some, 24)).softmax(1) for some in (clips, clips.flip(-1)))
    return (p - q).abs().sum(1).mean().item()


def test_answers_to_a_face_and_its_mirror_come_together(tmp_path: Path) -> None:
    plan = FitPlan(epochs=12, batch=24, lr=2e-3, precision="fp32", ema=0.0, accelerator="cpu")
    found: dict[str, Any] = {}
    for name, terms in {"labels": ("labels",), "mirror": ("labels", "mirror=2")}.items():
        task = task_of(tmp_path / name, terms, prompts=False)
        fit(task, plan, tmp_path / name / "run")
        found[name] = apart(task)
    print(found)
    assert found["labels"] > 0.5
    assert found["mirror"] < 0.5 * found["labels"]
