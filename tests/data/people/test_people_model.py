"""The morphable head: any scale, any winding; what is wrong with a file is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.data.people.model import EYE_DISTANCE, load_head
from tiny_head import tiny_head, write_head


def test_a_head_is_in_centimetres_from_between_the_eyes_whatever_its_file_is_in(tmp_path: Path) -> None:
    one, metres = load_head(write_head(tmp_path / "one.npz")), tmp_path / "metres.npz"
    np.savez(metres, **tiny_head(scale=100))
    other = load_head(metres)
    eyes = [one.neutral[one.landmarks[a:b]].mean(0) for a, b in ((36, 42), (42, 48))]
    assert np.allclose(np.add(*eyes) / 2, 0, atol=1e-4)
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(EYE_DISTANCE, rel=1e-5)
    assert np.allclose(one.neutral, other.neutral, atol=1e-3)
    assert np.allclose(one.expression, other.expression, atol=0.01)


def test_triangles_wound_inwards_are_turned(tmp_path: Path) -> None:
    inwards = tiny_head()["triangles"][:, ::-1]
    one, other = load_head(write_head(tmp_path / "a.npz")), load_head(write_head(tmp_path / "b.npz", triangles=inwards))
    for name, part in one.parts.items():
        assert {tuple(np.roll(t, -t.argmin())) for t in part} == {
            tuple(np.roll(t, -t.argmin())) for t in other.parts[name]
        }


def test_landmarks_may_stand_in_a_file_beside(tmp_path: Path) -> None:
    whole = load_head(write_head(tmp_path / "whole.npz"))
    (tmp_path / "vertex_indices.json").write_text(
        json.dumps({"idx_to_landmark_verts": tiny_head()["landmarks"].tolist()})
    )
    split = load_head(write_head(tmp_path / "split.npz", landmarks=None))
    assert (split.landmarks == whole.landmarks).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"material": None}, "without material"),
        ({"landmarks": None}, "vertex_indices.json"),
        ({"landmarks": np.arange(67)}, "68 landmarks"),
        ({"landmarks": np.arange(68) + 10**6}, "68 landmarks"),
        ({"identity": np.zeros((2, 5, 3))}, "identity"),
        ({"expression_names": np.array(["jawOpen"])}, "expression"),
        ({"material": np.full(len(tiny_head()["triangles"]), "M_Hat")}, "M_Face"),
        ({"neutral": np.full_like(tiny_head()["neutral"], np.nan)}, "NaN"),
        ({"expression_names": np.array([{"a": 1}], object)}, "head.npz"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, changes: dict[str, np.ndarray | None], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_head(write_head(tmp_path / "head.npz", **changes))


def test_a_file_that_is_missing_or_torn_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        load_head(tmp_path / "none.npz")
    path = write_head(tmp_path / "head.npz")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"head\.npz"):
        load_head(path)
