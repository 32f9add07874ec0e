"""Pictures: framed as mien frames faces, with labels that say what is in the pixels, the same for the same numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mien.core.errors import ConfigError
from mien.data.people.camera import Views, five_points, rotation
from mien.data.people.covers import Canvas, Glasses
from mien.data.people.drawing import Drawn
from mien.data.people.light import Lamp, Lighting
from mien.data.people.model import MorphableHead
from mien.data.people.sensor import Sensor
from mien.data.people.settings import PeopleSettings
from mien.data.people.studio import Set, Studio, split_of
from mien.faces.align import TEMPLATE

SIDE = 48


def plain_stage(studio: Studio, pose: tuple[float, float, float] = (0, 0, 0)) -> Set:
    """Frontal light, a plain camera, a grey wall, nothing before the face."""
    lamp = Lamp(np.array([0, 0, 1], np.float32), np.full(3, 0.7, np.float32), 0.3, True)
    around = np.full(3, 0.4, np.float32)
    sensor = Sensor(np.ones(3, np.float32), 2.2, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, (0.0, 0))
    views = Views(np.array([pose], np.float32), 100.0, np.zeros((1, 5, 2)))
    side = studio.pen.side
    wall = np.full((side, side, 3), 0.3, np.float32)
    return Set(views, Lighting(around, around, (lamp,), 0.5), wall, sensor, (), None)


def drawn(
    studio: Studio,
    moves: dict[str, float],
    pose: tuple[float, float, float] = (0, 0, 0),
    shape: np.ndarray | None = None,
) -> Drawn:
    coefficients = np.zeros(len(studio.head.names), np.float32)
    for name, value in moves.items():
        coefficients[studio.head.names.index(name)] = value
    person = dataclasses.replace(studio.person(0), shape=studio.head.neutral if shape is None else shape)
    return studio.pen.draw(person, coefficients, plain_stage(studio, pose), 0, np.random.default_rng(0))


def test_a_face_lies_where_alignment_puts_it(studio: Studio) -> None:
    five = five_points((drawn(studio, {}).landmarks + 0.5) / SIDE)
    assert np.abs(five - TEMPLATE).max() < 0.06


def test_points_tell_where_the_pixels_changed(studio: Studio) -> None:
    shut, wide = drawn(studio, {}), drawn(studio, {"jawOpen": 1.0})
    # Opening the jaw lowers the mouth's corners, too, and the alignment follows: the chin goes on.
    fallen = (wide.landmarks - wide.landmarks[30])[8, 1] - (shut.landmarks - shut.landmarks[30])[8, 1]
    assert fallen > 2
    glance = drawn(studio, {"eyeLookOut_L": 1.0})
    change = np.abs(glance.image.astype(int) - shut.image).sum((0, 1))
    assert change[SIDE // 2 :].max() > 20  # the person's left is the picture's right
    assert change[: SIDE // 2].max() == 0


@pytest.mark.parametrize(("pose", "axis", "sign"), [((30, 0, 0), 0, 1), ((-30, 0, 0), 0, -1), ((0, 20, 0), 1, -1)])
def test_pose_turns_the_nose(studio: Studio, pose: tuple[float, float, float], axis: int, sign: int) -> None:
    def nose(points: np.ndarray) -> float:
        return float((points[30] - points[36:48].mean(0))[axis])

    turned, front = drawn(studio, {}, pose), drawn(studio, {})
    assert sign * (nose(turned.landmarks) - nose(front.landmarks)) > 1
    assert turned.pose[:2] == pytest.approx(pose[:2])


def test_the_roll_that_is_told_is_that_of_the_crop(studio: Studio) -> None:
    leaning = drawn(studio, {}, (0, 0, 14))
    assert abs(leaning.pose[2]) < 3  # alignment has taken it out
    turn = rotation(0, 0, 14) @ np.array([1, 0, 0])
    assert turn[1] < 0  # clockwise in the picture: the right end goes down


def test_gaze_is_told_and_seen(studio: Studio) -> None:
    left, right = (
        drawn(studio, {f"eyeLook{a}_L": 0.8, f"eyeLook{b}_R": 0.8}) for a, b in (("In", "Out"), ("Out", "In"))
    )
    assert (left.gaze[:, 0] < -20).all()
    assert (right.gaze[:, 0] > 20).all()
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = np.rint(left.landmarks[eye].mean(0)).astype(int)
        window = (slice(None), slice(y - 1, y + 2), slice(x - 4, x + 5))
        darkness = [255 - one.image[window].astype(float).sum((0, 1)) / 9 for one in (left, right)]
        middle = [float((d * np.arange(9)).sum() / d.sum()) for d in darkness]
        assert middle[0] < middle[1]


def test_an_eyeball_that_pierces_its_lid_is_not_seen(studio: Studio) -> None:
    """The tiny head's lids are shut at rest, and its balls stand 0.3 cm out of them."""
    shape = studio.head.neutral.copy()
    shape[np.concatenate(studio.pen.balls), 2] -= 0.15
    ahead, glance = (drawn(studio, moves, shape=shape).image for moves in ({}, {"eyeLookOut_L": 1.0}))
    assert (ahead == glance).all()


def test_eyes_that_are_wider_open_have_further_to_shut(studio: Studio) -> None:
    wide = studio.head.neutral.copy()
    marks = studio.head.landmarks[36:48]
    wide[marks, 1] *= 1.5

    def fall(shape: np.ndarray) -> float:
        up, down = (drawn(studio, moves, shape=shape).landmarks[37, 1] for moves in ({}, {"eyeBlink_R": 1.0}))
        return float(down - up)

    assert fall(wide) == pytest.approx(1.5 * fall(studio.head.neutral), rel=0.1)


def test_rims_are_as_thick_in_every_frame_of_a_clip(studio: Studio) -> None:
    """The crop's scale sways with the mouth's points; a pen that followed it would jump from 1 to 2 pixels."""
    marks = (drawn(studio, {}).landmarks.astype(np.float64) + 0.5) * 4
    glasses = Glasses(2.2, 1.7, 3.0, 0.125, (0.0, 0.0, 0.0), 0.0, 0.0)

    def ink(unit: float) -> float:
        image = np.ones((4 * SIDE, 4 * SIDE, 3), np.float32)
        glasses.paint(Canvas(image, marks, unit, 1.0, 0))
        return float((1 - image).sum())

    drawn_ = [ink(unit) for unit in (11.0, 11.5, 12.0, 12.5)]
    assert max(drawn_) < 1.25 * min(drawn_)


def test_an_item_is_the_same_whoever_asks_and_in_whatever_order(head: MorphableHead, studio: Studio) -> None:
    other = Studio(head, studio.settings)
    for number in (5, 2):
        one, again = studio.item(number), other.item(number)
        assert (one.images == again.images).all()
        assert (one.coefficients == again.coefficients).all()
    assert (studio.item(5).images != Studio(head, dataclasses.replace(studio.settings, seed=4)).item(5).images).any()


def test_a_person_is_the_same_in_all_their_items_and_stays_on_one_side_of_the_split(studio: Studio) -> None:
    items = [studio.item(number) for number in range(12)]
    for one, other in zip(items[::2], items[1::2], strict=True):
        assert (one.person, one.split, one.tone) == (other.person, other.split, other.tone)
        assert (one.images != other.images).any()
    sides = [split_of(studio.settings, person) for person in range(1000)]
    assert 0.15 < sides.count("test") / 1000 < 0.25


def test_a_clip_moves_and_its_labels_are_a_frame_each(head: MorphableHead) -> None:
    clips = Studio(head, PeopleSettings(size=48, frames=5, each=1, covers=False))
    item = clips.item(3)
    assert item.images.shape == (5, 3, 48, 48)
    for name in ("shares", "strength", "coefficients", "landmarks", "pose", "gaze", "blink"):
        assert len(getattr(item, name)) == 5
    assert np.ptp(item.landmarks[:, 30], axis=0).max() > 0.05
    assert item.votes.sum() == pytest.approx(1, abs=1e-4)


def test_faces_differ_and_are_neither_black_nor_white(studio: Studio) -> None:
    middles = np.stack([studio.item(number).images[0, :, 12:36, 12:36] for number in range(16)]).astype(float)
    means = middles.mean((1, 2, 3))
    assert means.std() > 8
    assert (means > 10).mean() > 0.8
    assert (means < 245).all()
    assert (middles.std((2, 3)).mean(1) > 3).all()


@pytest.mark.parametrize(
    "wrong",
    [{"size": 8}, {"frames": 0}, {"each": 0}, {"rate": 0}, {"low": 0.9, "high": 0.5}, {"test": 1.5}, {"seed": -1}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        PeopleSettings(**wrong)
