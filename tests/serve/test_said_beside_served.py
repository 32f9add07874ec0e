"""A server whose model says more than the expression says it everywhere."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from serving import BASE

import mien
from mien.core.errors import ConfigError
from mien.core.facial import FACIAL
from mien.serve.app import create_app
from mien.serve.eyes import Glance, watcher
from mien.serve.schemas import LiveFace, Summary
from mien.serve.settings import ServeSettings
from mien.serve.work import summary

AFFECT = {
    "name": "affect",
    "kind": "scale",
    "labels": ["valence", "arousal"],
    "range": [-1.0, 1.0],
    "derived_from": "expression",
    "note": "",
}


@pytest.fixture
def more(settings: ServeSettings, tmp_path) -> ServeSettings:
    return dataclasses.replace(settings, data=tmp_path / "data", signals=("affect",))


@pytest.fixture
def _same_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child may set for itself is not for the tests after this one."""
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "")


def test_the_models_say_so(more: ServeSettings) -> None:
    with TestClient(create_app(more), base_url=BASE) as client:
        first, *others = client.get("/v1/models").json()["models"]
    assert first["signals"] == [AFFECT]
    own = [signal.to_dict() | {"derived_from": ""} for signal in FACIAL]
    assert [other["signals"] for other in others] == [own] * len(others), "the shipped ones say what their weights do"


@pytest.mark.usefixtures("_same_limits")
def test_a_camera_gets_them_with_every_face(more: ServeSettings, portrait: np.ndarray) -> None:
    look, picture = watcher(more), cv2.imencode(".jpg", portrait[:256, 96:352, ::-1])[1].tobytes()
    for number in range(12):
        faces = look(Glance(1, number / 10, picture), lambda _: None)
    look(Glance(1, 0.0, None), lambda _: None)
    (face,) = faces
    assert set(face["signals"]["affect"]) == {"valence", "arousal"}
    assert LiveFace(**face).signals == face["signals"]


def test_a_job_sums_them_up(more: ServeSettings, portrait: np.ndarray) -> None:
    result = mien.load(more.model, "torch", signals=more.signals).analyze(portrait[:256, 96:352])
    told = Summary(**summary(result)).model_dump(mode="json")
    assert told["signals"] == [AFFECT]
    assert all(-1 <= number <= 1 for number in told["tracks"][0]["signals"]["affect"].values())


def test_a_wrong_name_is_said_before_the_server_starts(more: ServeSettings) -> None:
    with pytest.raises(ConfigError, match="affect"):
        create_app(dataclasses.replace(more, signals=("afect",)))
