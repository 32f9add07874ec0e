"""Whole ways through mien with the weights it ships, from a real file to what a user reads."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cuts import frames_of, write_video

from mien import media
from mien.cli.checks import SUMS, read_sums


def spans_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "spans.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def shown(folder: Path, track: str = "1") -> list[str]:
    return [span["label"] for span in spans_of(folder) if span["track"] == track]


def test_a_smile_is_seen_when_it_comes(desk, sample_clip: Callable[[str], Path]) -> None:
    clip = sample_clip("single_face.mp4")
    ran = desk.run("mien", "analyze", clip, "-o", "out")
    assert ran.returncode == 0, ran.stderr
    folder = desk.folder / "out" / "single_face"
    assert shown(folder) == ["neutral", "happiness"]
    neutral, happiness = spans_of(folder)
    assert float(neutral["start"]) == 0
    assert 0.3 < float(neutral["end"]) == float(happiness["start"]) < 0.9
    assert float(happiness["end"]) == pytest.approx(2.4, abs=0.05)
    assert float(happiness["score"]) > 0.8
    for word in ("single_face.mp4: 1 face", "neutral", "happiness"):
        assert word in ran.stdout
    assert "72 frames" in ran.stderr
    assert "frames/s" in ran.stderr


def test_nothing_is_written_but_the_output_folder(desk, short_clip: Path) -> None:
    (desk.folder / "in.mp4").write_bytes(short_clip.read_bytes())
    before = desk.files()
    assert desk.run("mien", "analyze", "in.mp4", "-o", "out", "--save-video").returncode == 0
    assert desk.run("mien", "doctor").returncode == 0
    made = desk.files() - before
    names = ("spans.csv", "frames.csv", "result.json", "timeline.svg", "annotated.mp4")
    assert made == {f"work/out/in/{name}" for name in names}


def test_a_clip_without_a_face(desk, sample_clip: Callable[[str], Path]) -> None:
    ran = desk.run("mien", "analyze", sample_clip("no_face.mp4"), "-o", "out")
    assert ran.returncode == 0, ran.stderr
    assert "no_face.mp4: no face was found" in ran.stdout
    assert spans_of(desk.folder / "out" / "no_face") == []


def test_a_variable_frame_rate_keeps_the_streams_own_time(desk, sample_clip: Callable[[str], Path]) -> None:
    clip = sample_clip("noface_face.mov")
    assert desk.run("mien", "analyze", clip, "-o", "out").returncode == 0
    folder = desk.folder / "out" / "noface_face"
    with media.open(clip) as source:
        times = {frame.index: frame.time for frame in source}
    steps = np.diff(list(times.values()))
    assert steps.max() > 1.2 * steps.min(), "this clip's rate is meant to vary"
    with (folder / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row["time"]) == pytest.approx(times[int(row["frame"])], abs=1e-4) for row in rows)
    assert float(spans_of(folder)[0]["start"]) > 2, "the face comes late"
    assert "happiness" in shown(folder)


def test_two_people_are_told_apart(desk, short_clip: Path, sample_clip: Callable[[str], Path]) -> None:
    """A man who starts to smile beside a woman who cries."""
    man = frames_of(short_clip)
    woman = frames_of(sample_clip("WolfgangLanger_Pexels.mp4"), 4.0)[-len(man) :]
    both = [(time, np.hstack([left, right])) for (time, left), (_, right) in zip(man, woman, strict=True)]
    write_video(desk.folder / "both.mp4", both)
    ran = desk.run("mien", "analyze", "both.mp4", "-o", "out", "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)["result"]
    assert [track["track"] for track in result["tracks"]] == [1, 2]
    with (desk.folder / "out" / "both" / "frames.csv").open(newline="") as file:
        sides = {row["track"]: float(row["x0"]) < 640 for row in csv.DictReader(file)}
    (on_the_left,), (on_the_right,) = (
        [track for track, left in sides.items() if left is side] for side in (True, False)
    )
    folder = desk.folder / "out" / "both"
    assert shown(folder, on_the_left) == ["neutral", "happiness"]
    assert shown(folder, on_the_right) == ["sadness"]


def test_a_folder_with_a_broken_file(furnished) -> None:
    (furnished.folder / "videos" / "torn.mp4").write_bytes((furnished.folder / "talk.mp4").read_bytes()[:2000])
    ran = furnished.run("mien", "analyze", "videos", "-o", "out")
    assert ran.returncode == 1
    assert "monday.mp4: 1 face" in ran.stdout
    assert "torn.mp4 left out: expected" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "1 of 2 finished, 1 failed" in ran.stderr


def test_ctrl_c_keeps_what_is_finished(desk, short_clip: Path, sample_clip: Callable[[str], Path]) -> None:
    (desk.folder / "1.mp4").write_bytes(short_clip.read_bytes())
    (desk.folder / "2.mp4").write_bytes(sample_clip("WolfgangLanger_Pexels.mp4").read_bytes())
    run = desk.start("mien", "analyze", "1.mp4", "2.mp4", "-o", "out")
    first = desk.folder / "out" / "1" / "result.json"
    deadline = time.monotonic() + 240
    while not first.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "1.mp4: 1 face" in out
    assert err.splitlines()[-1] == "mien: stopped: 1 of 2 finished kept in out; --skip-existing does only the rest"
    assert "Traceback" not in err
    assert [path.name for path in (desk.folder / "out").iterdir()] == ["1"], "nothing half-written stays"


def test_a_person_at_a_terminal_sees_a_bar_and_clean_results(desk, short_clip: Path) -> None:
    reader, terminal = pty.openpty()
    environment = {**desk.environment, "TERM": "xterm", "COLUMNS": "120"}
    command = ["mien", "analyze", str(short_clip), "-o", "out"]
    run = subprocess.Popen(
        command, cwd=desk.folder, env=environment, stdout=subprocess.PIPE, stderr=terminal, text=True
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(reader, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        seen += part
    out, _ = run.communicate(timeout=60)
    os.close(reader)
    assert run.returncode == 0
    assert b"frames/s" in seen
    assert b"30/30" in seen
    assert "\x1b" not in out, "no control codes where a file may be"
    assert "short.mp4: 1 face" in out


def test_the_doctor_finds_this_machine_well(desk) -> None:
    ran = desk.run("mien", "doctor", "--json")
    answer = json.loads(ran.stdout)
    assert {one["name"]: one["found"] for one in answer["checks"] if one["status"] == "fail"} == {}
    assert ran.returncode == 0
    assert "s2d-small" in next(one["found"] for one in answer["checks"] if one["name"] == "weights")


def test_the_shipped_models_are_listed_with_their_scores_and_licence(desk) -> None:
    listed = {facts["name"]: facts for facts in json.loads(desk.run("mien", "models", "--json").stdout)}
    assert set(listed) == {"s2d-small", "s2d-tiny"}
    assert listed["s2d-small"]["scores"]["ferplus_test_war"] > 0.84
    assert listed["s2d-tiny"]["scores"]["ferplus_test_war"] > 0.81
    assert all("FER2013" in facts["licence"] for facts in listed.values())


def test_the_sums_beside_the_weights_are_theirs(root: Path) -> None:
    folder = root / "src" / "mien" / "weights"
    weights = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.safetensors")}
    assert read_sums(folder / SUMS) == weights
