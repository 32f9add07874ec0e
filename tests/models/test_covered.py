"""Covered patches: a planted shift is found as theory says, covers on drawn faces are found, nothing else moves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import chi2, ncx2

from mien.core.errors import ConfigError, DataError
from mien.core.facial import COVERED
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.data.synthetic import SHOWN, draw_static
from mien.engines.export import export
from mien.engines.opening import open_model
from mien.evaluation.signal_metrics import auc
from mien.models.covered import EDGE, GRID, PLACES, Covered, fit_covered, on_grid, shrunk
from mien.models.find import find_weights
from mien.models.landmarks import MobileFaceNet
from mien.models.network import said
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.shape import S2DConfig
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import load_model
from mien.training.covered import TEXTURES, CoveredRun, parts_of_places, plant
from shape_checks import unchecked

DIM = 12


def test_a_planted_shift_is_found_as_often_as_theory_says() -> None:
    """Mahalanobis' distance is chi square of clean tokens, and noncentral of shifted ones."""
    rng = torch.Generator().manual_seed(0)
    mixing = torch.randn(PLACES, DIM, DIM, generator=rng) / DIM**0.5 + torch.eye(DIM)
    middle = torch.randn(PLACES, 1, DIM, generator=rng)

    def tokens(count: int) -> torch.Tensor:
        return (torch.randn(PLACES, count, DIM, generator=rng) @ mixing + middle).transpose(0, 1)

    head = Covered(DIM, COVERED)
    fit_covered(head, tokens(3000))
    shift = torch.randn(DIM, generator=rng)
    clean, moved = head.scores(tokens(400)[:, None])[:, 0], head.scores((tokens(400) + shift)[:, None])[:, 0]
    strength = torch.linalg.solve(mixing.transpose(1, 2) @ mixing, shift.expand(PLACES, DIM)) @ shift
    points = np.linspace(0.0005, 0.9995, 1000)
    for place in (0, 24, 48):
        theory = ncx2.sf(chi2.ppf(points, DIM), DIM, float(strength[place])).mean()
        both = torch.cat([moved[:, place], clean[:, place]]).numpy()
        assert auc(both, np.arange(len(both)) < len(moved)) == pytest.approx(theory, abs=0.03)
    assert clean.mean() == pytest.approx(DIM, rel=0.06), "shrinkage takes a little"


def test_few_faces_are_shrunk_and_many_are_not() -> None:
    rng = torch.Generator().manual_seed(0)
    wide = torch.diag(torch.arange(1.0, 9.0)).double()
    many = shrunk(torch.randn(20_000, 8, generator=rng).double() @ wide)
    torch.testing.assert_close(many, wide**2, atol=1.5, rtol=0.03)
    few = shrunk(torch.randn(4, 8, generator=rng).double())
    assert torch.linalg.eigvalsh(few).min() > 0.05, "four rows have no more than three directions of their own"


@pytest.mark.parametrize("side", [3, 7, 14, 16])
def test_any_grid_is_brought_to_one(side: int) -> None:
    rows = torch.linspace(0, 1, side)[:, None].expand(side, side).reshape(1, 1, -1, 1)
    placed = on_grid(rows)[0, 0, :, 0].view(GRID, GRID)
    assert placed[0, 0] < 0.3
    assert placed[-1, -1] > 0.7
    assert (placed.diff(dim=0) >= -1e-6).all()
    torch.testing.assert_close(placed.mean(), torch.tensor(0.5))
    if side == 14:
        torch.testing.assert_close(placed[0, 0], rows[0, 0, [0, 1, 14, 15]].mean())


def test_a_place_is_covered_by_degrees_around_its_cut() -> None:
    head = Covered(4, Signal("covered", ("face",), "scale"))
    head.directions.copy_(torch.eye(4))
    tokens = torch.zeros(1, 1, PLACES, 4)
    tokens[0, 0, :4, 0] = (4 * torch.tensor([1 - 2 * EDGE, 1.0, 1 + EDGE / 2, 9.0])).sqrt()
    torch.testing.assert_close(head.flags(tokens)[0, 0, :4], torch.tensor([0.0, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(head(tokens), torch.tensor([[2.25 / PLACES]]))


def test_regions_lie_where_an_ordinary_face_has_them() -> None:
    rows = dict(zip(COVERED.labels, parts_of_places().reshape(-1, GRID, GRID), strict=True))
    height = {name: float((row.sum(1) * np.arange(GRID)).sum()) for name, row in rows.items()}
    assert height["brows"] < height["eyes"] < height["nose"] < height["mouth"] < height["chin"]
    np.testing.assert_allclose([row.sum() for row in rows.values()], 1, rtol=1e-5)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces in the layout of FERPlus."""
    rng, count = np.random.default_rng(0), {"train": 160, "valid": 200}
    held = {}
    for split, some in count.items():
        shown = np.eye(len(SHOWN), dtype=np.float32)[rng.integers(len(SHOWN), size=some)]
        drawn = [draw_static(one, 1, 48, rng)[0].mean(0) for one in shown]
        held[f"{split}_images"] = np.stack(drawn).astype(np.uint8)
        held[f"{split}_votes"] = np.tile(np.array([[10, *[0] * 9]], np.uint8), (some, 1))
    path = tmp_path_factory.mktemp("drawn") / "faces.npz"
    np.savez(path, **held)
    return path


@pytest.fixture(scope="module")
def fitted(faces: Path) -> tuple[Path, Path]:
    """The smaller weights that ship, without and with a detector for drawn faces."""
    start = find_weights("s2d-tiny")
    return start, CoveredRun(faces, str(start), faces.parent / "run", faces=200).run()


def crops(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 3, 3, 48, 48)).astype(np.uint8)


def test_covers_on_drawn_faces_are_found(fitted: tuple[Path, Path]) -> None:
    scores = load_model(fitted[1]).record.scores
    for texture in TEXTURES:
        assert scores[f"covered_auc_{texture}"] >= 0.85, texture
    assert scores["covered_false"] < 0.12


def test_what_the_weights_say_else_stays_to_the_bit(fitted: tuple[Path, Path]) -> None:
    before, after = (load_file(path) for path in fitted)
    assert {name for name in after if name not in before} == {name for name in after if "covered" in name}
    assert all(torch.equal(before[name], after[name]) for name in before)
    plain, told = (load_model(path) for path in fitted)
    np.testing.assert_array_equal(plain.logits(crops()), told.logits(crops()))
    np.testing.assert_array_equal(plain.probabilities(crops()), said(told, crops())[:, :8])


def test_a_covered_mouth_is_said_to_be_the_mouth(fitted: tuple[Path, Path], faces: Path) -> None:
    model = load_model(fitted[1])
    images = np.load(faces)["valid_images"][:40]
    clips = np.repeat(images[:, None, None], 3, 2)
    hidden = clips.copy()
    hidden[..., 31:44, 12:36] = 127
    shares = dict(zip(COVERED.labels, (said(model, hidden) - said(model, clips))[:, -7:].mean(0), strict=True))
    assert shares["mouth"] > 0.3
    assert shares["mouth"] > 3 * max(shares["brows"], shares["eyes"])
    assert 0 < shares["face"] < shares["mouth"]


def test_as_written_and_as_used_it_says_the_same(fitted: tuple[Path, Path]) -> None:
    used, written = load_model(fitted[1]), load_model(fitted[1], folded=False)
    told = said(used, crops())
    assert told[:, -7:].min() > 0.5, "noise is no face"
    np.testing.assert_allclose(told, said(written, crops()), atol=1e-4)


def test_s2d_is_exported_with_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config, pixels = S2DConfig.tiny(3), Preprocessing(32, 28)
    head = Covered(config.dim, COVERED)
    head.cuts.fill_(float(head.directions.shape[0]) / 2)
    record = ModelRecord("x", LabelSpace("three", ("a", "b", "c")), pixels, {}, 2, signals=(COVERED,))
    record = dataclasses.replace(record, heads={"covered": "covered"})
    recognizer = Recognizer(S2D(config), MobileFaceNet(), pixels, {"covered": head})
    save_weights(recognizer.eval(), record, tmp_path / "x.safetensors")
    model, clips = load_model(tmp_path / "x.safetensors"), crops()[:, :2, :, :32, :32]
    with unchecked():
        made = export(model, "onnx", tmp_path)
    np.testing.assert_allclose(said(open_model(made.path), clips), said(model, clips), atol=1e-4)
    np.testing.assert_allclose(
        said(load_model(model.record.source, folded=False), clips), said(model, clips), atol=1e-4
    )


def test_too_few_faces_are_refused(faces: Path, fitted: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="200"):
        CoveredRun(faces, faces=50)
    held = dict(np.load(faces))
    np.savez(tmp_path / "few.npz", **{name: value[:150] for name, value in held.items()})
    with pytest.raises(DataError, match="larger set"):
        CoveredRun(tmp_path / "few.npz", str(fitted[0]), tmp_path / "run").run()
    with pytest.raises(ConfigError, match="--clean"):
        CoveredRun(faces, clean=1.0)


def test_a_planted_cover_says_where_it_lies() -> None:
    rng, face = np.random.default_rng(0), np.full((3, 70, 70), 9, np.uint8)
    for texture in TEXTURES:
        image, share = plant(face, texture, face + np.uint8(1), rng)
        changed = (image != face).any(0).reshape(GRID, 10, GRID, 10).mean((1, 3)).ravel()
        assert np.abs(changed - share).max() < 0.05, "flat, noisy or another's, it is there and nowhere else"
