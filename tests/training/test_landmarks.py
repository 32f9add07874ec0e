"""What the landmark net learns from: faces with points, real and rendered."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mien.core.errors import DataError
from mien.data.manifest import Manifest, Row
from mien.data.people.apex import LABELS
from mien.data.people.exact import PER_FRAME, PER_ITEM, Exact
from mien.data.transforms import Augmentation
from mien.training.landmarks import LandmarkRecipe, LandmarkTask, point_error
from mien.training.pointed import PointedFaces, real_faces, rendered_faces

SPLITS = ("train", "test", "train")


def archive(folder: Path, points: np.ndarray) -> tuple[Path, Path]:
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    np.savez(folder / "faces.npz", train_images=images, train_votes=np.ones((3, 10), np.uint8))
    np.savez(folder / "points.npz", train_points=points)
    return folder / "faces.npz", folder / "points.npz"


def people(folder: Path) -> Path:
    """Three pictures of a dot, where all their points are."""
    rows, blank = [], {name: np.zeros(3) for name in PER_ITEM + PER_FRAME}
    places = np.array([[20, 30], [60, 80], [90, 21]])
    for number, (place, split) in enumerate(zip(places, SPLITS, strict=True)):
        image = np.zeros((112, 112, 3), np.uint8)
        cv2.circle(image, place.tolist(), 6, (255, 255, 255), -1)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        rows.append(Row(str(number), f"{number}.png", "image", "neutral", split))
    Manifest("people", LABELS, tuple(rows), folder, 112).save(folder)
    landmarks = np.broadcast_to(places[:, None, None], (3, 1, 68, 2)).astype(np.float16)
    Exact(("jawOpen",), **{**blank, "landmarks": landmarks}).save(folder / "exact.npz")
    return folder


def test_faces_without_points_are_left_out(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((3, 68, 2), np.float32)
    points[1] = np.nan
    faces = real_faces(*archive(tmp_path, points), "train")
    assert faces.images[:, 0, 0, 0].tolist() == [0, 2]
    assert np.array_equal(faces.points.numpy(), points[[0, 2]])


@pytest.mark.parametrize("points", [np.zeros((2, 68, 2)), np.zeros((3, 5, 2)), np.full((3, 68, 2), np.nan)])
def test_points_of_other_faces_are_refused(tmp_path: Path, points: np.ndarray) -> None:
    with pytest.raises(DataError, match="points"):
        real_faces(*archive(tmp_path, points), "train")


def test_points_of_rendered_people_lie_on_them(tmp_path: Path) -> None:
    folder = people(tmp_path)
    faces = rendered_faces((folder,), "train")
    assert (len(faces), len(rendered_faces((folder,), "test")), len(rendered_faces((), "train"))) == (2, 1, 0)
    mass = faces.images[:, 0] / faces.images.sum((1, 2, 3)).view(-1, 1, 1)
    middles = (torch.arange(48) + 0.5) / 48
    centre = torch.stack([(mass.sum(1) * middles).sum(1), (mass.sum(2) * middles).sum(1)], 1)
    torch.testing.assert_close(faces.points, centre[:, None].expand(-1, 68, -1), atol=1e-3, rtol=0)


def test_point_error_is_in_units_of_the_eyes_distance() -> None:
    points = torch.rand(1, 68, 2, generator=torch.Generator().manual_seed(0))
    points[0, 36], points[0, 45] = torch.tensor([0.3, 0.4]), torch.tensor([0.7, 0.4])
    assert point_error(points + torch.tensor([0.04, 0.0]), points).item() == pytest.approx(0.1, rel=1e-4)


def test_a_net_learns_points_and_is_measured_on_every_held_out_set() -> None:
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    places = 0.5 + 0.05 * torch.randn(4, 68, 2, generator=rng)
    images = torch.randint(0, 255, (4, 1, 48, 48), generator=rng, dtype=torch.uint8)
    faces = PointedFaces(images, places)
    task = LandmarkTask(faces, {"real": faces, "rendered": faces}, LandmarkRecipe(Augmentation()))
    optimizer = torch.optim.AdamW(task.groups(0.01), lr=3e-3)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        (loss,) = task.loss(task.module, torch.arange(4), rng).values()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0], losses
    figures = task.validate(task.module.eval())
    assert figures["score"] == pytest.approx(-(figures["real_nme"] + figures["rendered_nme"]) / 2)
