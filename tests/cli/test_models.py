"""``mien models``: the list, one model, and names that are none."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from mien.cli.models import headline, readable
from mien.models import record
from mien.models.figures import keep_figures


@pytest.fixture
def shipped(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships the small model alone."""
    monkeypatch.setattr(record, "SHIPPED", tmp_path)
    monkeypatch.setattr("mien.models.find.SHIPPED", tmp_path)
    return Path(shutil.copy(tiny, tmp_path / "tiny.safetensors"))


def test_the_list(mien, shipped) -> None:
    ran = mien("models")
    assert (ran.code, ran.err) == (0, "")
    for fact in ("tiny", "neutral, happiness", "luck 0.125", "nothing", " MB", " M "):
        assert fact in ran.out


def test_the_list_for_machines(mien, shipped) -> None:
    ((facts,),) = mien("models", "--json").lines
    assert facts["name"] == "tiny"
    assert facts["sha256"] == hashlib.sha256(shipped.read_bytes()).hexdigest()
    assert facts["bytes"] == shipped.stat().st_size


def test_one_model_by_name_and_by_file(mien, shipped, tiny) -> None:
    by_name, by_file = mien("models", "tiny"), mien("models", tiny)
    for fact in ("none needed", "0.1250", "4 frames of 32 x 32", hashlib.sha256(shipped.read_bytes()).hexdigest()):
        assert fact in by_name.out
        assert fact in by_file.out
    assert str(tiny) in by_file.out
    assert mien("models", "tiny", "--json").lines[0]["licence"] == "none needed"


def test_a_wrong_name_gets_the_right_one(mien, shipped) -> None:
    ran = mien("models", "tinny")
    assert (ran.code, ran.out) == (1, "")
    assert "did you mean tiny?" in ran.err


def test_a_file_of_something_else(mien, shipped, tmp_path) -> None:
    (tmp_path / "other.bin").write_bytes(b"x" * 100)
    ran = mien("models", tmp_path / "other.bin")
    assert ran.code == 1
    assert "not a safetensors file" in ran.err


def test_no_weights_at_all(mien, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("mien.models.record.SHIPPED", tmp_path)
    monkeypatch.setattr("mien.models.find.SHIPPED", tmp_path)
    ran = mien("models")
    assert (ran.code, ran.out) == (1, "")
    assert "install mien again" in ran.err


def test_scores_for_people() -> None:
    scores = {"s_test_war": 0.8, "s_test_war_low": 0.75, "s_test_war_high": 0.85, "s_test_ece": 0.1}
    recalls = {"s_test_recall_fear": 0.5, "s_test_recall_anger": 0.9, "s_valid_recall_fear": 0.4}
    assert readable(scores | recalls) == {
        "s_test_war": "0.8000 (0.7500 to 0.8500)",
        "s_test_ece": "0.1000",
        "s_test_recall": "fear 50 %, anger 90 %",
        "s_valid_recall": "fear 40 %",
    }
    assert readable({"only_low": 0.25}) == {"only_low": "0.2500"}


def test_what_a_model_mostly_misses_is_said(mien, tiny, tmp_path) -> None:
    path = Path(shutil.copy(tiny, tmp_path / "own.safetensors"))
    assert "mostly missed" not in mien("models", path).out
    figures = {"s_test_recall_fear": 0.5, "s_test_recall_anger": 0.9, "s_valid_recall_disgust": 0.1}
    keep_figures(path, "own", hashlib.sha256(path.read_bytes()).hexdigest(), figures)
    (line,) = [line for line in mien("models", path).out.splitlines() if "mostly missed" in line]
    assert line.split("mostly missed")[1].strip() == "fear"


def test_the_list_has_the_test_scores_and_one_model_has_all() -> None:
    scores = {"set_valid_war": 0.9, "set_test_war": 0.8, "set_test_uar": 0.7, "set_test_ece": 0.1}
    assert headline(scores) == {"set_test_war": 0.8, "set_test_uar": 0.7}
    assert headline({"luck": 0.1}) == {"luck": 0.1}
