from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest


def test_a_face_gets_numbers_a_picture_and_a_table(
    mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path
) -> None:
    ran = mien("explain", picture, "-o", tmp_path / "why", "--model", tiny, "--threshold", "0")
    assert ran.code == 0, ran.err
    report = json.loads((tmp_path / "why/explain.json").read_text())
    (face,) = report["faces"]
    assert set(face["methods"]) == {"rollout", "fovea", "gradcam", "occlusion"}
    assert report["provenance"]["model"]["name"] == "tiny"
    assert "no proof" in report["note"]
    assert face["time_importance"] == [None] * 4, "a still has one moment"
    assert cv2.imread(str(tmp_path / "why/face-1.png")).shape[1] == 1050
    for word in ("mouth", "cheeks", "elsewhere", "gradcam", "occlusion", str(tmp_path / "why")):
        assert word in ran.out.replace("\n", " ")


def test_json_is_the_file(mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path) -> None:
    ran = mien("explain", picture, "-o", tmp_path, "--model", tiny, "--method", "rollout", "--json")
    (printed,) = ran.lines
    assert printed == json.loads((tmp_path / "explain.json").read_text())
    assert list(printed["faces"][0]["methods"]) == ["rollout"]


def test_the_report_has_the_pictures_where_asked_for(
    mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path
) -> None:
    ran = mien("explain", picture, "-o", tmp_path, "--model", tiny, "--method", "rollout", "--html")
    assert ran.code == 0, ran.err
    content = json.loads(re.search(r'id="content">(.*?)</script>', (tmp_path / "report.html").read_text())[1])
    (why,) = content["why"]
    assert (why["track"], why["time"]) == (1, 0)
    assert "face 1, shown:" in why["title"]
    assert base64.b64decode(why["picture"].split(",")[1]) == (tmp_path / "face-1.png").read_bytes()


def test_nobody_there_is_a_result(mien: Callable[..., Any], tiny: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((120, 160, 3), 90, np.uint8))
    ran = mien("explain", tmp_path / "wall.png", "-o", tmp_path / "why", "--model", tiny)
    assert (ran.code, "no face was found" in ran.out) == (0, True)
    assert json.loads((tmp_path / "why/explain.json").read_text())["faces"] == []


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--track", "7"), "number of a face: 1"),
        (("--at", "-2"), "0 s or later"),
        (("--model", "s3d"), "s2d-small"),
    ],
)
def test_what_can_be_mended_is_said_in_a_line(
    mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path, options: tuple[str, str], wording: str
) -> None:
    model = () if "--model" in options else ("--model", tiny)
    ran = mien("explain", picture, "-o", tmp_path / "why", *model, *options, "--method", "rollout")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert wording in ran.err
    assert not (tmp_path / "why/explain.json").exists()


def test_without_matplotlib_the_numbers_are_there(
    mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = mien("explain", picture, "-o", tmp_path, "--model", tiny, "--method", "rollout")
    assert ran.code == 1
    assert "mien[plots]" in ran.err
    assert (tmp_path / "explain.json").is_file()
    assert "mouth" in ran.out


def test_a_method_that_nobody_knows_is_named_beside_those_there_are(
    mien, picture: Path, tiny: Path, tmp_path: Path
) -> None:
    ran = mien("explain", picture, "-o", tmp_path, "--model", tiny, "--method", "gradcma")
    assert ran.code == 1
    assert "did you mean gradcam?" in ran.err


def test_two_pictures_are_swapped(mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path) -> None:
    pixels = cv2.imread(str(picture))
    cv2.imwrite(str(tmp_path / "other.png"), np.clip(pixels * 0.4, 0, 255).astype(np.uint8))
    pair = ("explain", picture, "--with", tmp_path / "other.png", "--method", "swap", "--model", tiny)
    ran = mien(*pair, "-o", tmp_path / "why")
    assert ran.code == 0, ran.err
    report = json.loads((tmp_path / "why/explain.json").read_text())
    parts = report["swap"]["parts"]
    assert parts["all patches"]["effects"] == [pytest.approx(1, abs=1e-3)]
    assert parts["class token"]["effects"] == [pytest.approx(0, abs=1e-3)]
    assert (report["source"]["name"], report["with"]["name"]) == ("portrait.png", "other.png")
    assert cv2.imread(str(tmp_path / "why/swap.png")).shape[1] == 1050
    assert "class token" in ran.out
    assert mien(*pair, "-o", tmp_path, "--json").lines[0]["swap"] == report["swap"]


def test_a_swap_wants_two_pictures(mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path) -> None:
    for options in (("--method", "swap"), ("--with", picture)):
        ran = mien("explain", picture, "-o", tmp_path / "why", "--model", tiny, *options)
        assert (ran.code, "--method swap and --with" in ran.err) == (1, True)
    plugged = ("--with", picture, "--method", "swap", "--landmarker", "mobilefacenet")
    ran = mien("explain", picture, "-o", tmp_path, "--model", tiny, *plugged)
    assert (ran.code, "without --landmarker" in ran.err) == (1, True)
    ran = mien("explain", picture, "-o", tmp_path, "--model", tiny, "--method", "swap", "--with", picture)
    assert (ran.code, "differ by 0.1" in ran.err) == (1, True)
