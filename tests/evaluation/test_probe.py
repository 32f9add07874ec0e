"""Few-shot probes: on Gaussian classes the head reaches the rate that theory gives, and the command probes weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from mien.cli.evaluate import main
from mien.core.errors import ConfigError
from mien.evaluation.probe import few_shots, parse_shots, probe


def gaussians(count: int, apart: float, rng: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
    """Two classes of one covariance, whose means lie ``apart`` of its deviations (Mahalanobis)."""
    targets = np.arange(count) % 2
    mixing = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.5]])
    x = rng.normal(size=(count, 3)) + np.outer(targets, [apart, 0, 0])
    return torch.from_numpy(x @ mixing).float(), targets


@pytest.mark.parametrize("apart", [1.0, 2.5])
def test_two_gaussian_classes_are_parted_as_well_as_can_be(apart: float) -> None:
    """The best rate, linear discriminant analysis with the true numbers, is Phi(distance / 2)."""
    rng = np.random.default_rng(0)
    known, targets = gaussians(2000, apart, rng)
    asked, truth = gaussians(40_000, apart, rng)
    row = few_shots(known, targets, asked, truth, 2, 500, rng)
    assert row.war == pytest.approx(norm.cdf(apart / 2), abs=0.015)
    assert row.uar == pytest.approx(row.war, abs=0.01)
    one = few_shots(known, targets, asked, truth, 2, 1, rng)
    assert one.war < row.war - 0.02
    assert one.interval[0] < one.war < one.interval[1]
    assert np.diff(one.interval) > 4 * np.diff(row.interval), "one face a class says little"


def test_a_class_without_a_face_is_never_answered_and_a_flat_feature_does_no_harm() -> None:
    known, targets = gaussians(60, 3.0, np.random.default_rng(0))
    flat = torch.cat([known, torch.ones(60, 1)], 1)
    answers = probe(flat, torch.from_numpy(targets), flat, 3)
    assert set(answers.tolist()) <= {0, 1}
    np.testing.assert_array_equal(answers, probe(known, torch.from_numpy(targets), known, 3))


def test_numbers_of_faces_are_read_or_refused() -> None:
    assert parse_shots("10,1, 5") == (1, 5, 10)
    for wrong in ("", "0", "1;5", "-1", "many"):
        with pytest.raises(ConfigError, match="1,5,10"):
            parse_shots(wrong)


def test_the_command_probes_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Dark faces are called calm and bright ones happy: any network's feature knows that."""
    rng, held = np.random.default_rng(0), {}
    for split, count in (("train", 24), ("valid", 20), ("test", 2)):
        happy = np.arange(count) % 2
        held[f"{split}_images"] = (rng.integers(0, 60, (count, 48, 48)) + 150 * happy[:, None, None]).astype(np.uint8)
        held[f"{split}_votes"] = (10 * np.eye(10)[happy]).astype(np.uint8)
    np.savez(tmp_path / "faces.npz", **held)
    given = ["s2d-tiny", "--data", str(tmp_path / "faces.npz"), "--split", "valid", "--device", "cpu"]
    assert main([*given, "--probe", "1,4", "-o", str(tmp_path / "out")]) == 0
    assert "| 4 | 100.00 |" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["shots"] for row in told["probe"]] == [1, 4]
    assert told["items"] == 20
    with pytest.raises(ConfigError, match="alone"):
        main([*given, "--probe", "1", "--robustness"])
