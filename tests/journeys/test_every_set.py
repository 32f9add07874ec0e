"""Every data set goes from its release to figures by the commands users type: prepare, train (two steps), evaluate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.cli.main import main

DATA_TESTS = Path(__file__).resolve().parents[1] / "data"
sys.path.insert(0, str(DATA_TESTS))

import trees  # noqa: E402
import video_trees  # noqa: E402

Tree = Callable[[Path], Path]
IMAGES: dict[str, tuple[str, Tree]] = {
    "rafdb": ("rafdb", trees.rafdb_tree),
    "affectnet7": ("affectnet7", trees.affectnet_tree),
    "affectnet8, newer pack": ("affectnet8", trees.affectnet_pack_tree),
    "ferplus, archive": ("ferplus", trees.ferplus_npz),
    "ferplus, tables": ("ferplus", trees.ferplus_csv_tree),
    "own images": ("folder", trees.folder_tree),
}
CLIPS: dict[str, tuple[str, Tree]] = {
    "own frame folders": ("folder", lambda folder: trees.folder_tree(folder, frames=3)),
    "dfew": ("dfew", lambda folder: video_trees.dfew_tree(folder, 1, folds=2)),
    "dfew, lists of S2D": ("dfew", lambda folder: video_trees.dfew_tree(folder, 1, folds=2, form="s2d")),
    "ferv39k": ("ferv39k", video_trees.ferv39k_tree),
    "ferv39k, lists of S2D": ("ferv39k", lambda folder: video_trees.ferv39k_tree(folder, form="s2d")),
    "mafw": ("mafw", lambda folder: video_trees.mafw_tree(folder, 1, folds=2)),
    "mafw, videos": ("mafw", lambda folder: video_trees.mafw_tree(folder, 1, folds=2, videos=True)),
    "mafw-compound": ("mafw-compound", lambda folder: video_trees.mafw_tree(folder, 1, folds=2, compound=True)),
    "crema-d": ("crema-d", video_trees.cremad_tree),
    "ravdess": ("ravdess", video_trees.ravdess_tree),
    "ck+": ("ck+", video_trees.ckplus_tree),
}
TINY = (
    "--start",
    "None",
    "--recipe.model",
    "s2d-micro",
    "--fit.max-steps",
    "2",
    "--fit.batch",
    "2",
    "--fit.workers",
    "0",
)


def run(*args: object) -> None:
    assert main([str(arg) for arg in args]) == 0, args


def journey(name: str, release: Path, folder: Path, recipe: str, *flags: str) -> dict:
    prepared, out, report = folder / "prepared", folder / "run", folder / "report"
    run("prepare", name, release, "-o", prepared, "--no-crop", "--workers", 1)
    found = json.loads((prepared / "report.json").read_text())
    assert found
    run("train", recipe, "--data", prepared, "--out", out, *TINY, *flags)
    run("evaluate", out, "--out", report)
    return json.loads((report / "report.json").read_text())


@pytest.mark.parametrize("which", IMAGES)
def test_images(which: str, tmp_path: Path) -> None:
    name, tree = IMAGES[which]
    figures = journey(name, tree(tmp_path / "release"), tmp_path, "images", "--fold", "0")
    assert "clean" in json.dumps(figures)


@pytest.mark.parametrize("which", CLIPS)
def test_clips(which: str, tmp_path: Path) -> None:
    name, tree = CLIPS[which]
    fold = "1" if name in ("dfew", "mafw", "mafw-compound", "ck+") else "0"
    flags = ("--fold", fold, "--recipe.frames", "2", "--protocol", "official")
    figures = journey(name, tree(tmp_path / "release"), tmp_path, "videos", *flags)
    assert "official" in json.dumps(figures)
