"""The picture of a report in the README: two drawn people, whom nobody can recognise, looked at by the shipped model.

python tools/screenshot.py docs/images/report.png       needs the extra `dev` and a Chromium
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from playwright.sync_api import sync_playwright

import mien
from mien.analysis.settings import AnalysisSettings
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.media import VideoWriter

SIDE, RATE, SECONDS = 360, 25, 9
SEEDS = (14, 10)
AT_REST = np.array([-0.1, 0.0, -0.35, 0.2, -0.1])
COURSES = (
    ((2.5, AT_REST), (4.0, np.array([1.0, 0.35, 0.1, 0.0, -0.3])), (9.0, np.array([1.0, 0.35, 0.1, 0.0, -0.3]))),
    (
        (1.5, AT_REST),
        (2.3, np.array([0.0, 0.9, 1.0, 0.0, 1.0])),
        (5.0, np.array([0.0, 0.9, 1.0, 0.0, 1.0])),
        (6.5, AT_REST),
    ),
)
"""Per person: seconds, and smile, mouth, brows, frown and lids from there on."""


def draw(seed: int, course: tuple[tuple[float, Float64[np.ndarray, " 5"]], ...]) -> UInt8[np.ndarray, "t s s 3"]:
    times = np.arange(SECONDS * RATE) / RATE
    moments, shown = zip(*course, strict=True)
    smile, mouth, brows, frown, lids = (np.interp(times, moments, values) for values in np.array(shown).T)
    sway = [np.sin(2 * np.pi * (times / period + seed)) for period in (4.1, 5.3, 6.7)]
    pose = Pose(0.5 + 0.012 * sway[0], 0.52 + 0.01 * sway[1], 0.03 * sway[2], np.full(len(times), 0.3))
    frames = draw_frames(
        draw_person(np.random.default_rng(seed)), Expression(smile, mouth, brows, frown, lids), pose, SIDE
    )
    return frames.transpose(0, 2, 3, 1)


def film(path: Path) -> None:
    people = [draw(seed, course) for seed, course in zip(SEEDS, COURSES, strict=True)]
    frames = np.concatenate(people, axis=2)
    with VideoWriter(path, frames.shape[2], frames.shape[1], RATE) as writer:
        for number, frame in enumerate(frames):
            writer.write(np.ascontiguousarray(frame), number / RATE)


def photograph(report: Path, picture: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 1100})
        page.goto(report.as_uri())
        page.locator("video").evaluate("video => { video.currentTime = 5.2 }")
        page.wait_for_timeout(1000)
        page.screenshot(path=picture)
        browser.close()


def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clip, report = Path(folder) / "two-people.mp4", Path(folder) / "report.html"
        film(clip)
        result = mien.load().analyze(clip, AnalysisSettings())
        for span in result.spans:
            sys.stdout.write(f"{span}\n")
        result.html(report, embed=True, thumbnails=True)
        photograph(report, picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
