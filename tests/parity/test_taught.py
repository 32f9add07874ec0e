"""Tough and tolerant teachers of landmarks: the published numbers, what each region does, and a run by flag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fills import official, uniform

from mien.core.errors import ConfigError
from mien.data.transforms import Augmentation
from mien.models.landmarks import MobileFaceNet
from mien.training.landmarks import LandmarkRecipe, LandmarkRun, LandmarkTask
from mien.training.pointed import PointedFaces
from mien.training.taught import TOUGH, main_loss, taught_loss, teacher_loss
from shape_checks import unchecked


@pytest.mark.parametrize("case", official("kdlandmark")["cases"], ids=lambda case: case["salt"])
def test_losses_are_those_of_the_authors(case: dict) -> None:
    def drawn(name: str) -> np.ndarray:
        return uniform(case["salt"] + name, (3, 136)) - 0.5

    truth = drawn("gt")
    given = [torch.from_numpy(truth + scale * drawn(name)) for name, scale in
             (("pr", 0.2), ("gt", 0), ("tough", 0.06), ("tolerant", 0.12))]  # fmt: skip
    found = taught_loss(*given)
    assert found["points"].item() == pytest.approx(case["main"], abs=1e-6)
    assert found["tough"].item() == pytest.approx(case["tough"], abs=1e-6)
    assert found["tolerant"].item() == pytest.approx(case["tolerant"], abs=1e-6)
    assert sum(found.values()).item() == pytest.approx(case["total"], abs=1e-6)


@pytest.mark.parametrize(("x", "slope"), [(0.2, 1.9), (0.05, 0.45), (0.01, 0.0), (-0.2, -1.9), (-0.05, -0.45)])
def test_a_teacher_draws_from_beyond_and_pushes_on_within(x: float, slope: float) -> None:
    """The teacher errs by 0.1 on one side; on the other, mirrored, all is alike."""
    at = torch.tensor([x], requires_grad=True)
    teacher_loss(at, torch.zeros(1), torch.tensor([0.1]), TOUGH).backward()
    assert at.grad.item() == pytest.approx(slope, abs=1e-5)


def test_the_main_loss_has_no_step_where_the_tolerant_error_ends() -> None:
    own = torch.tensor([0.1])
    near, far = (main_loss(torch.tensor([x]), torch.zeros(1), own).item() for x in (0.09999, 0.10001))
    assert near == pytest.approx(far, abs=1e-4)


def test_noisy_teachers_help_where_labels_are_partly_wrong() -> None:
    """Eight linear worlds at once, 60 items each; one label in seven is far off, and both teachers err at every item.
    Teachers whose errors belong to other items teach nothing: it is what they know that helps, not the loss' shape."""
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(8, *shape, generator=rng)

    slope, x, fresh = 0.3 * drawn(12, 6) / 12**0.5, drawn(60, 12), drawn(500, 12)
    truth = x @ slope
    labels = truth + 0.05 * drawn(60, 6) + 0.6 * (torch.rand(8, 60, 6, generator=rng) < 0.15)
    tough, tolerant = truth + 0.02 * drawn(60, 6), truth + 0.08 * drawn(60, 6)
    others = [labels + (one - labels).roll(1, 1) for one in (tough, tolerant)]
    losses = {
        "plain": lambda said: (said - labels).abs().mean(),
        "taught": lambda said: sum(taught_loss(said, labels, tough, tolerant).values()),
        "misled": lambda said: sum(taught_loss(said, labels, *others).values()),
    }
    missed = {}
    for name, loss in losses.items():
        weight = torch.zeros(8, 12, 6, requires_grad=True)
        bias = torch.zeros(8, 1, 6, requires_grad=True)
        adam = torch.optim.Adam([weight, bias], 0.02)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 150)
        with unchecked():  # shapes were, in the other tests
            for _ in range(150):
                adam.zero_grad()
                loss(x @ weight + bias).backward()
                adam.step()
                rate.step()
        missed[name] = (fresh @ (weight - slope) + bias).abs().mean((1, 2)).detach()
    assert missed["taught"].mean() < 0.92 * missed["plain"].mean()
    assert (missed["taught"] < missed["plain"]).sum() >= 7
    assert missed["misled"].mean() > missed["plain"].mean()


def test_a_run_is_taught_or_as_it_was(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 1, 48, 48), generator=rng).to(torch.uint8)
    faces = PointedFaces(images, torch.rand(8, 68, 2, generator=rng))
    torch.manual_seed(0)
    teacher = MobileFaceNet().eval()

    def parts(teachers: tuple[MobileFaceNet, MobileFaceNet] | None) -> dict[str, float]:
        torch.manual_seed(1)
        task = LandmarkTask(faces, {"real": faces}, LandmarkRecipe(Augmentation()), teachers)
        found = task.loss(task.module.eval(), torch.arange(8), torch.Generator().manual_seed(2))
        return {name: part.item() for name, part in found.items()}

    plain, taught = parts(None), parts((teacher, teacher))
    assert list(plain) == ["points"]
    assert set(taught) == {"points", "tough", "tolerant"}
    assert taught["tough"] != 0
    with pytest.raises(ConfigError, match="tough and a tolerant"):
        LandmarkRun(tmp_path, tmp_path, tough="s2d-small").run()
