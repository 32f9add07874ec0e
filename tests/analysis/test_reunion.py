"""Who comes back in a film keeps the number, where a user's network says so; two who are seen at once stay two."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from brightness import DARK, LEFT, RIGHT, BrightnessNetwork, picture, write_video

from mien.analysis.expressions import ExpressionModel
from mien.analysis.plugins import PlugIns
from mien.analysis.reunion import Reunion
from mien.analysis.settings import AnalysisSettings
from mien.cli.main import main
from mien.core.errors import ConfigError, WeightsError
from mien.core.types import Face, FaceCrop, Frame, Quality
from mien.faces.embedder_file import EmbedderFile
from mien.faces.embedders import EmbedderSettings
from mien.report.tables import read_json
from onnx_toys import conv_file, mean_file

RED, BLUE = (200, 90, 90), (90, 90, 200)
MARK = 0.7321
"""In the dummy's vectors: a number that would be seen in a file."""


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of the mean colour, without its grey: red and blue people point opposite ways."""
    weight = np.eye(3) - 1 / 3
    return mean_file(tmp_path_factory.mktemp("net") / "colours.onnx", weight, np.zeros(3), 32)


def telling(path: Path, least: float = 0.5) -> PlugIns:
    return PlugIns(persons=EmbedderSettings(embedder_file=path, embedder_input=("size=32",), same_person=least))


def scene(*faces: tuple[tuple[int, int, int, int], tuple[int, int, int]], ground: int, frames: int = 14) -> np.ndarray:
    """A shot of people of a colour; another ground, striped, is another scene."""
    image = np.zeros((96, 160, 3), np.uint8)
    stripes = np.arange(96) if ground else np.arange(160)
    image[:] = (45 * (stripes // 8 % 2))[:, None, None] if ground else (45 * (stripes // 8 % 2))[None, :, None]
    for number, ((x0, y0, x1, y1), colour) in enumerate(faces):
        noise = np.random.default_rng(number).integers(-30, 31, (y1 - y0, x1 - x0, 1))
        image[y0:y1, x0:x1] = np.clip(np.array(colour) + noise, 0, 255)
    return np.repeat(image[None], frames, axis=0)


CUT = np.concatenate([scene((LEFT, RED), ground=0), scene((RIGHT, RED), ground=1)])
FILM = np.concatenate([CUT, scene(ground=1, frames=30), scene((LEFT, BLUE), (RIGHT, RED), ground=0)])
"""Red comes back after a cut, and after an absence beside blue."""


def tracks(model: ExpressionModel, film: np.ndarray, settings: AnalysisSettings) -> list[list[int]]:
    """Numbers of the people in every frame, from left to right."""
    rows = list(model.analyze(film, settings).frames)
    frames = [[row for row in rows if row.index == index] for index in range(len(film))]
    return [[row.track for row in sorted(faces, key=lambda row: row.face.box[0])] for faces in frames]


def test_tracks_join_after_a_cut_and_strangers_do_not(colours: Path, lenient: AnalysisSettings) -> None:
    usual = tracks(ExpressionModel(BrightnessNetwork()), FILM, lenient)
    assert (usual[5], usual[20], usual[65]) == ([1], [2], [3, 4]), "every cut and long absence begins anew"
    joined = tracks(ExpressionModel(BrightnessNetwork(), plugins=telling(colours)), FILM, lenient)
    assert (joined[5], joined[20], joined[65]) == ([1], [1], [2, 1])
    strict = tracks(ExpressionModel(BrightnessNetwork(), plugins=telling(colours, 1.0)), CUT, lenient)
    assert strict[20] == [2], "noise alone tells them apart where likeness must be whole"


def test_two_who_are_seen_at_once_are_never_one(colours: Path, lenient: AnalysisSettings) -> None:
    twins = scene((LEFT, RED), (RIGHT, RED), ground=0)
    film = np.concatenate([twins, scene((LEFT, RED), ground=1), twins])
    found = tracks(ExpressionModel(BrightnessNetwork(), plugins=telling(colours, 0.01)), film, lenient)
    assert all(len(set(numbers)) == len(numbers) for numbers in found)
    assert {number for numbers in found for number in numbers} == {1, 2}


def test_what_is_said_of_a_person_goes_on_under_the_number(colours: Path, lenient: AnalysisSettings) -> None:
    usual, joined = (
        ExpressionModel(BrightnessNetwork(), plugins=plugins).analyze(FILM, lenient)
        for plugins in (None, telling(colours))
    )
    assert {span.track for span in joined.spans} == {1, 2}
    assert sum(span.end - span.start for span in joined.spans) == pytest.approx(
        sum(span.end - span.start for span in usual.spans)
    )
    facts = joined.provenance["same_person"]
    assert (facts["likeness"], facts["file"]["path"]) == (0.5, str(colours))
    assert "same_person" not in usual.provenance


def crop(track: int, time: float, level: int, reason: str | None = None) -> FaceCrop:
    face = Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32))
    image = np.full((3, 8, 8), level, np.uint8)
    return FaceCrop(track, int(time * 25), time, face, image, Quality(8, 50, 0, reason))


def test_the_likest_come_together_first_and_veto_the_rest() -> None:
    """1 and 2 at once; 3 is a little like 1 and much like 2; 4 is like all, but seen with 3."""
    angles = {10: 0, 20: 60, 30: 50, 40: 30}

    def embed(crops: np.ndarray) -> np.ndarray:
        turned = np.radians([angles[int(one.mean())] for one in crops])
        return np.stack([np.cos(turned), np.sin(turned)], 1)

    reunion = Reunion(embed, 0.5)
    for crops in ([(1, 0, 10), (2, 0, 20)], [(3, 1, 30), (4, 1, 40)]):
        reunion.see([crop(*one) for one in crops])
    assert reunion.persons() == {1: 1, 2: 2, 3: 2, 4: 1}
    blurred = Reunion(embed, 0.5)
    blurred.see([crop(1, 0, 10)])
    blurred.see([crop(2, 1, 10, "blurred")])
    assert blurred.persons() == {1: 1, 2: 2}, "what cannot be read is not compared"


def test_it_is_refused_where_it_cannot_be_done(colours: Path, lenient: AnalysisSettings, tmp_path: Path) -> None:
    model = ExpressionModel(BrightnessNetwork(), plugins=telling(colours))
    with pytest.raises(ConfigError, match="--embedder-file"):
        next(model.live([Frame(0, 0.0, picture((LEFT, DARK)))], lenient))
    for least in (0, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="same_person"):
            EmbedderSettings(same_person=least)
    for alone in ({"embedder_input": ("size=32",)}, {"same_person": 0.7}):
        with pytest.raises(ConfigError, match="name the file"):
            EmbedderSettings(**alone)
    with pytest.raises(WeightsError, match="--embedder-file"):
        EmbedderSettings(embedder_file=tmp_path / "no.onnx").make()
    nets = (
        (mean_file(tmp_path / "one.onnx", np.ones((1, 3)), np.zeros(1), 32), r"\(1, 1\)"),
        (conv_file(tmp_path / "map.onnx", np.ones((4, 3, 1, 1)), np.zeros(4), 32), r"\(1, 4, 32, 32\)"),
        (mean_file(tmp_path / "zero.onnx", np.zeros((4, 3)), np.zeros(4), 32), "zeros alone"),
    )
    for net, why in nets:
        with pytest.raises(WeightsError, match=why):
            telling(net).persons.make()(np.zeros((1, 3, 8, 8), np.uint8))


def test_one_vector_is_taken_and_of_several_none(colours: Path) -> None:
    """As networks give it: bare, as a map of one place, and beside its norm."""
    embed = EmbedderFile(colours, ("size=32",))
    vector, norm = np.array([[3.0, 4.0]], np.float32), np.array([[5.0]], np.float32)
    crops = np.zeros((1, 3, 8, 8), np.uint8)
    for said in ([vector], [vector[..., None, None]], [norm, vector]):
        embed._file.outputs = lambda _, said=said: said
        np.testing.assert_allclose(embed(crops), [[0.6, 0.8]])
    for said in ([vector, vector], [vector, np.ones((1, 2, 3, 3), np.float32)], [vector[:, None]]):
        embed._file.outputs = lambda _, said=said: said
        with pytest.raises(WeightsError, match=r"one vector \(1, d\)"):
            embed(crops)


def test_its_file_is_opened_once_before_the_first_source(
    colours: Path, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    (tmp_path / "torn.onnx").write_bytes(colours.read_bytes()[:40])
    for name in ("no.onnx", "torn.onnx"):
        with pytest.raises(WeightsError, match=name):
            ExpressionModel(BrightnessNetwork(), plugins=telling(tmp_path / name))
    own = tmp_path / "own.onnx"
    own.write_bytes(colours.read_bytes())
    plugins = telling(own)
    ExpressionModel(BrightnessNetwork(), plugins=plugins)
    again = pickle.loads(pickle.dumps(plugins))
    own.unlink()
    assert plugins.reunion() is not None
    with pytest.raises(WeightsError, match="--embedder-file"):
        again.reunion()


def test_people_of_photographs_are_not_compared(colours: Path, lenient: AnalysisSettings, tmp_path: Path) -> None:
    for number, place in enumerate((LEFT, RIGHT)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene((place, RED), ground=number)[0, ..., ::-1])
    usual, telling_apart = (
        ExpressionModel(BrightnessNetwork(), plugins=plugins).analyze(str(tmp_path / "*.png"), lenient)
        for plugins in (None, telling(colours))
    )
    assert [row.track for row in usual.frames] == [row.track for row in telling_apart.frames] == [1, 2]


def test_the_command_writes_no_vector(colours: Path, tmp_path: Path) -> None:
    weight = np.vstack([np.zeros((3, 3)), 1e-6 * np.ones((1, 3))])
    marked = mean_file(tmp_path / "marked.onnx", weight, np.array([MARK, 0.31, -0.52, 0.3]), 32)
    film = write_video(tmp_path / "film.mp4", CUT[::2])
    gates = ("--min-sharpness", "0", "--min-size", "10", "--max-yaw", "90", "--model", "s2d-tiny")
    net = ("--embedder-file", str(marked), "--embedder-input", "size=32")
    assert main(["analyze", str(film), "-o", str(tmp_path / "out"), *gates, *net]) == 0
    result = read_json(tmp_path / "out" / "film" / "result.json")
    assert {span["track"] for span in result["spans"]} == {1}
    vector = np.array([MARK, 0.31, -0.52, 0.3])
    numbers = [f"{value:.3f}".lstrip("-") for value in (*vector, *vector / np.linalg.norm(vector)) if value != 0.3]
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            held = [number for number in numbers if number in path.read_text()]
            assert len(held) < 3, f"{path.name} holds {held}"
