from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from planted import clip

from mien.core.action_units import expectation
from mien.core.errors import ConfigError, MissingDependencyError
from mien.explain.explanation import METHODS, Explanation, explain_clip, methods_of
from mien.explain.fovea import Fovea
from mien.explain.occlusion import Occlusion
from mien.explain.picture import MOST_COLUMNS, columns, write_strip
from mien.explain.regions import ELSEWHERE
from mien.explain.rollout import Rollout
from mien.models.zoo import LoadedModel
from mien.report.tables import plain

# Few squares: the landmark net runs for each.
METHODS_HERE = [Rollout(), Fovea(), Occlusion(0.5, 0.5)]


@pytest.fixture(scope="module")
def explained(whole_model: LoadedModel) -> Explanation:
    found = explain_clip(whole_model, clip([0, 1, None, 1]), METHODS_HERE)
    return dataclasses.replace(found, label="happiness", expected=expectation("happiness"))


def test_everything_is_in_the_record(whole_model: LoadedModel) -> None:
    found = explain_clip(whole_model, clip([0, 1, None, 1]), METHODS_HERE, threshold=1.0)
    record = json.loads(json.dumps(plain(found.to_dict()), allow_nan=False))
    assert record["likeliest"] == max(record["probabilities"], key=record["probabilities"].get)
    assert record["label"] == "unclear"
    assert record["probability"] == pytest.approx(max(record["probabilities"].values()))
    assert set(record["methods"]) == {"rollout", "fovea", "occlusion"}
    assert len(record["time_importance"]) == len(record["times"]) == 4
    for method in record["methods"].values():
        areas = [region["area"] for region in method["regions"].values()]
        assert sum(areas) == pytest.approx(1, abs=1e-3)
        assert ELSEWHERE in method["regions"]


def test_the_threshold_is_the_models_own_unless_another_is_given(whole_model: LoadedModel) -> None:
    looked = clip([0] * 4)
    assert not explain_clip(whole_model, looked, [Rollout()]).unclear
    assert explain_clip(whole_model, looked, [Rollout()], threshold=0.99).unclear


def test_a_model_without_a_landmark_net_gives_maps_without_regions(mouth_model: LoadedModel) -> None:
    found = explain_clip(mouth_model, clip([1, 1]), [Rollout()])
    assert found.masks is None
    assert found.evidence[0].regions is None
    assert found.to_dict()["methods"]["rollout"]["overlap"] is None
    assert (found.label, found.probability > 0.9) == ("standing", True)


def test_all_means_every_method_that_does_not_stand_aside() -> None:
    assert [method.name for method in methods_of("all")] == [name for name in METHODS if name != "attention"]
    assert isinstance(methods_of("fovea")[0], Fovea)


def test_a_wrong_method_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="rollout"):
        methods_of("rolout")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_strip_is_written_the_same_every_time(explained: Explanation, tmp_path: Path, suffix: str) -> None:
    first, second = (write_strip(explained, tmp_path / f"{name}.{suffix}", "a.mp4") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    if suffix == "svg":
        assert "probability" in first.read_text()


def test_the_strip_shows_the_map(explained: Explanation, tmp_path: Path) -> None:
    pixels = cv2.imread(str(write_strip(explained, tmp_path / "strip.png")))
    assert pixels.shape[1] == pytest.approx(7.16 * 300, abs=2)
    other = dataclasses.replace(
        explained, evidence=tuple(dataclasses.replace(one, values=one.values[:, ::-1]) for one in explained.evidence)
    )
    turned = cv2.imread(str(write_strip(other, tmp_path / "turned.png")))
    assert (pixels != turned).any(axis=2).mean() > 0.05


def test_the_strip_of_a_still_is_a_column_wide(whole_model: LoadedModel, tmp_path: Path) -> None:
    still = explain_clip(whole_model, clip([1], repeats=4), [Rollout()])
    assert cv2.imread(str(write_strip(still, tmp_path / "still.png"))).shape[1] == 1050


def test_the_moment_that_counts_most_is_among_those_shown(explained: Explanation) -> None:
    long = clip([0] * 40)
    for top in (0, 17, 39):
        importance = np.zeros(40)
        importance[top] = 0.3
        shown = columns(dataclasses.replace(explained, clip=long, importance=importance))
        assert top in shown
        assert len(set(shown.tolist())) == MOST_COLUMNS
        assert (np.diff(shown) > 0).all()


def test_without_matplotlib_it_says_what_to_install(
    explained: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"mien\[plots\]"):
        write_strip(explained, tmp_path / "strip.png")
