"""tools/face_points.py: its table and angles are mien's, whoever finds the mesh."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.data.people.camera import rotation
from mien.data.transforms import MIRRORED


@pytest.fixture(scope="module")
def tool(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "tools" / "face_points.py"))


def test_angles_are_those_of_rendered_people(tool: dict[str, Any]) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = 7.5 * rotation(31, -12, 18)
    assert tool["pose_of"](matrix) == pytest.approx([31, -12, 18], abs=1e-3)


def test_a_point_is_the_mean_of_its_vertices_and_none_stands_for_both_sides(tool: dict[str, Any]) -> None:
    table = tool["MESH"]
    found = tool["points_of"](np.arange(478)[:, None] * np.ones(2))
    assert found.shape == (68, 2)
    assert found[1].tolist() == [(234 + 93) / 2] * 2
    assert len(set(table)) == 68
    # A pair of points has as many vertices on either side.
    assert all(len(table[k]) == len(table[other]) for k, other in enumerate(MIRRORED.tolist()))


def test_the_enlarged_picture_has_the_border_that_is_taken_off_again(tool: dict[str, Any]) -> None:
    image = np.zeros((48, 48), np.uint8)
    image[12, 36] = 255
    seen = tool["enlarged"](image, 48)
    assert seen.shape == (288, 288, 3)
    y, x = np.argwhere(seen[..., 0] > 127).mean(0) + 0.5
    assert ((x - 48) / 192, (y - 48) / 192) == pytest.approx((36.5 / 48, 12.5 / 48), abs=1e-3)
