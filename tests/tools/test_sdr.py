"""tools/sdr.py on numbers whose directions are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.linalg import subspace_angles


@pytest.fixture(scope="module")
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("sdr")


def planted(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two directions of ten tell the number, in Li's own example; two others have the largest spread."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    hidden = rng.normal(size=(2000, 10)) * [1, 1, 6, 6, 1, 1, 1, 1, 1, 1]
    number = hidden[:, 0] / (0.5 + (hidden[:, 1] + 1.5) ** 2) + 0.05 * rng.normal(size=2000)
    x = hidden @ mixing
    return x, number, np.linalg.inv(mixing)[:, :2]


def test_planted_directions_are_found_and_principal_components_miss_them(tool: ModuleType) -> None:
    for seed in range(3):
        x, number, wanted = planted(seed)
        assert np.cos(subspace_angles(tool.sir(x, number), wanted)).min() > 0.95
        assert np.cos(subspace_angles(tool.pca(x), wanted)).min() < 0.7
        np.testing.assert_allclose(np.cov((x @ tool.sir(x, number)).T), np.eye(2), atol=0.05)
        half = len(x) // 2
        right = [
            tool.told(x[:half] @ found, x[half:] @ found, number[:half], number[half:], False)
            for found in (tool.sir(x[:half], number[:half]), tool.pca(x[:half]))
        ]
        assert right[0] > right[1] + 0.2


def test_classes_are_slices(tool: ModuleType) -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(900) % 3.0
    x = rng.normal(size=(900, 8)) * [9, 9, 1, 1, 1, 1, 1, 1]
    x[:, 2] += 4 * (classes == 1)
    x[:, 3] += 4 * (classes == 2)
    found, plain = tool.sir(x, classes, classes=True), tool.pca(x)
    assert tool.told(x @ found, x @ found, classes, classes, True) > 0.95
    assert tool.told(x @ plain, x @ plain, classes, classes, True) < 0.5


def test_equal_numbers_share_a_slice_whatever_their_order(tool: ModuleType) -> None:
    """A flag in a set sorted by something else, which a direction of its own tells: order must not come in."""
    rng = np.random.default_rng(0)
    flag, x = rng.integers(0, 2, 1000).astype(float), rng.normal(size=(1000, 6))
    x[:, 0] += flag
    x[:, 1] += np.linspace(0, 6, 1000)
    found = tool.sir(x, flag, count=1)[:, 0]
    assert abs(found[0]) > 5 * abs(found[1])
    np.testing.assert_allclose(abs(found), abs(tool.sir(x, flag, count=1, classes=True)[:, 0]), atol=1e-9)


def test_a_picture_is_drawn_of_either(tool: ModuleType, tmp_path: Path) -> None:
    points, truth = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3.0
    for classes in (("neutral", "happiness", "anger"), ()):
        tool.draw({"one": points, "other": -points}, truth, classes, "label", tmp_path / "x.png")
        assert (tmp_path / "x.png").stat().st_size > 5000
