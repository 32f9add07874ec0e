"""Sets learned beside the data: what joins a batch, which head learns from it, and what a run writes of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.data.ferplus import LABELS
from mien.data.manifest import Manifest, Row
from mien.data.mixing import Mixing
from mien.models.cnn import CnnConfig
from mien.models.net import Answer
from mien.models.record import Preprocessing
from mien.models.weights import load_weights
from mien.training.labelled import LabelledRun
from mien.training.loop import FitPlan
from mien.training.recipe import FaceRecipe
from mien.training.sources import Beside, Faces
from mien.training.terms import Step, StyleLabels

SIDE, CLASSES = 48, len(LABELS)
FIT = FitPlan(epochs=12, batch=16, lr=1e-2, precision="fp32", ema=0.0, accelerator="cpu")
RECIPE = FaceRecipe(
    model=CnnConfig(classes=CLASSES, widths=(8, 16, 32), dropout=0.0), sizes=(), beside=0.5, score="last"
)


def bars(folder: Path, name: str, count: int, shift: int, side: int = SIDE, space: LabelSpace = LABELS) -> Manifest:
    """Pictures of bars whose number tells their class; in another style it is the one ``shift`` further on."""
    rng, rows, images = np.random.default_rng(count), [], []
    (folder / name).mkdir(parents=True)
    for number in range(count):
        place = number % CLASSES
        image = rng.integers(0, 60, (side, side, 3)).astype(np.uint8)
        image[np.arange(side) * 2 * (place + 1) // side % 2 == 0] += 180
        images.append(image)
        label = space.labels[(place + shift) % CLASSES]
        rows.append(Row(str(number), f"faces.npz#images/{number}", "array", label, "train"))
    np.savez(folder / name / "faces.npz", images=np.stack(images))
    return Manifest(name, space, tuple(rows), folder / name, side)


def source(rows: Manifest) -> Faces:
    return Faces(rows, Preprocessing(crop_size=SIDE, input_size=SIDE, colour="grey"), RECIPE.augmentation)


def test_a_batch_is_the_faces_and_then_some_of_every_other_set(tmp_path: Path) -> None:
    faces, same = source(bars(tmp_path, "faces", 16, 0)), source(bars(tmp_path, "same", 8, 0))
    other = source(bars(tmp_path, "other", 24, 3, side=2 * SIDE))
    beside = Beside(faces, [("", same), ("textbook", other)], 0.5)
    numbers = torch.tensor([3, 1, 0, 5, 6, 7, 8, 2])
    batch = beside.batch(numbers, torch.Generator().manual_seed(0))
    assert batch.clips.shape == (8 + 2 + 2, 1, 1, SIDE, SIDE)
    assert batch.labels[:8].tolist() == (numbers % CLASSES).tolist()
    assert (batch.labels[8:10] >= 0).all()
    assert batch.labels[10:].tolist() == [-1, -1]
    known = ~batch.targets.isnan().any(1)
    assert known.tolist() == [True] * 10 + [False] * 2
    assert (~batch.styles["textbook"].isnan().any(1)).tolist() == [False] * 10 + [True] * 2
    again = beside.batch(numbers, torch.Generator().manual_seed(0))
    assert torch.equal(batch.clips, again.clips)
    assert len(beside) == len(faces)
    assert beside.styles == {"textbook": 0.25}
    twice = Beside(faces, [("textbook", other), ("", same), ("textbook", same)], 0.6)
    assert twice.styles == {"textbook": pytest.approx(0.4)}


def test_a_style_teaches_its_own_head_and_the_feature() -> None:
    head = torch.nn.Linear(3, 4)
    term = StyleLabels("textbook", head)
    feature = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    targets = torch.full((5, 4), float("nan"))
    targets[3:] = torch.eye(4)[[2, 0]]
    answer = Answer(torch.zeros(5, 4), feature)
    step = Step(torch.zeros(5, 1, 1, 2, 2), targets, torch.full((5,), -1), 0, lambda: answer, {"textbook": targets})
    loss = term(answer, step)
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(head(feature[3:]), targets[3:]).item())
    loss.backward()
    assert head.weight.grad is None
    assert term.head.weight.grad.abs().sum() > 0
    assert feature.grad.abs().sum(1).bool().tolist() == [False, False, False, True, True]
    nothing = step._replace(styles={"textbook": torch.full((5, 4), float("nan"))})
    assert term(answer, nothing).isfinite()


def test_a_run_writes_a_file_for_every_style_and_each_answers_in_its_own(tmp_path: Path) -> None:
    """The textbook calls each the class three further on: one head could not say both."""
    faces, other = bars(tmp_path, "faces", 96, 0), bars(tmp_path, "other", 64, 3)
    for rows in (faces, other):
        rows.save(rows.root)
    run = LabelledRun(
        faces.root, tmp_path / "run", name="toy", fit=FIT, recipe=RECIPE, beside=(f"textbook={other.root}",)
    )
    path = run.run()
    images = np.load(faces.root / "faces.npz")["images"][:CLASSES].transpose(0, 3, 1, 2)[:, None]
    said = {}
    for style, file in (("crowd", path), ("textbook", path.with_name("toy-textbook.safetensors"))):
        recognizer, record = load_weights(file)
        assert record.name == file.stem
        said[style] = recognizer(torch.from_numpy(images)).argmax(1)
    truth = torch.arange(CLASSES)
    assert (said["crowd"] == truth).float().mean() >= 0.75
    assert (said["textbook"] == (truth + 3) % CLASSES).float().mean() >= 0.75


def test_sets_that_cannot_be_learned_beside_the_data_are_refused(tmp_path: Path) -> None:
    faces = bars(tmp_path, "faces", 16, 0)
    other = bars(tmp_path, "other", 8, 0, space=LabelSpace("eight", tuple("abcdefgh")))
    for rows in (faces, other):
        rows.save(rows.root)
    run = LabelledRun(faces.root, tmp_path / "run", fit=FIT, recipe=RECIPE)
    with pytest.raises(ConfigError, match="labels of faces"):
        replace(run, beside=(str(other.root),)).run()
    with pytest.raises(ConfigError, match="small letters"):
        replace(run, beside=(f"Text Book={faces.root}",)).run()
    with pytest.raises(ConfigError, match="the loss' own terms, labels"):
        replace(run, beside=(f"labels={faces.root}",)).run()
    mixed = replace(RECIPE, mixing=Mixing())
    with pytest.raises(ConfigError, match="mixes none"):
        replace(run, recipe=mixed, beside=(str(faces.root),)).run()
