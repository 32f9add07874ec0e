"""Films of heads whose places are known, followed by the default detector: what fewer searches find, searches find."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.faces.boxes import iou
from mien.faces.mtcnn import Mtcnn
from mien.faces.settings import FaceSettings
from mien.faces.stream import follow

HEIGHT, WIDTH = 240, 640
ALWAYS, FOLLOWED = FaceSettings(search_every=1), FaceSettings()
BOX = np.array([30, 25, 118, 137], np.float32)
"""Where the face lies in a head of 150 x 160."""


class Counting(Mtcnn):
    """Counts searches of whole pictures, looks at smaller ones, and the pixels of both."""

    def __init__(self):
        super().__init__()
        self.searches, self.looks, self.pixels = 0, 0, 0

    def detect(self, image):
        whole = image.shape[:2] == (HEIGHT, WIDTH)
        self.searches, self.looks = self.searches + whole, self.looks + (not whole)
        self.pixels += image.shape[0] * image.shape[1]
        return super().detect(image)


@pytest.fixture(scope="module")
def heads(astronaut):
    """A head, the same one in other colours and mirrored."""
    one = astronaut[40:200, 150:300]
    return {"a": one, "b": np.ascontiguousarray(one[:, ::-1, ::-1])}


@pytest.fixture(scope="module")
def wall():
    noise = np.random.default_rng(1).normal(0, 12, (HEIGHT // 8, WIDTH // 8))
    return cv2.cvtColor(cv2.resize((110 + noise).astype(np.uint8), (WIDTH, HEIGHT)), cv2.COLOR_GRAY2RGB)


def picture(wall, heads, places):
    """Heads at {name: (x, y, scale, narrowing)}, later ones in front, and the boxes of their faces by name."""
    image, boxes = wall.copy(), {}
    for name, (x, y, scale, narrow) in places.items():
        motion = np.array([[scale * narrow, 0, x + 75 * scale * (1 - narrow)], [0, scale, y]])
        mask = cv2.warpAffine(np.full((160, 150), 255, np.uint8), motion, (WIDTH, HEIGHT))
        cv2.copyTo(cv2.warpAffine(heads[name], motion, (WIDTH, HEIGHT)), mask, image)
        boxes[name] = (BOX.reshape(2, 2) * motion[[0, 1], [0, 1]] + motion[:, 2]).ravel()
    return image, boxes


def at(x, y=40, scale=1.0, narrow=1.0):
    return (x, y, scale, narrow)


FILMS = {
    "crossing": lambda i: {"a": at(20 + 7 * i), "b": at(470 - 7 * i)},
    "turning": lambda i: {"a": at(240, narrow=0.75 + 0.25 * np.cos(i / 8))},
    "leaving": lambda i: {"a": at(60)} | ({"b": at(330 + 9 * max(0, i - 10))} if i < 50 else {}),
    "coming in": lambda i: {"a": at(60)} | ({"b": at(640 - 6 * (i - 20))} if i > 20 else {}),
    "appearing": lambda i: {"a": at(60)} | ({"b": at(420, 60, 0.6)} if i > 31 else {}),
    "coming nearer": lambda i: {"a": at(200 - i, 70 - i, 0.7 + i / 100)},
}


def film(wall, heads, places, count=64):
    """Frames, and the boxes in each."""
    rng = np.random.default_rng(2)
    drawn = [picture(wall, heads, places(i)) for i in range(count)]
    noisy = [np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8) for image, _ in drawn]
    return noisy, [boxes for _, boxes in drawn]


def seen(out):
    """(frame, number) -> box."""
    return {(frame.index, crop.track): crop.face.box for frame, crops in out for crop in crops}


@pytest.mark.parametrize("name", FILMS)
def test_following_gives_the_tracks_of_searching_always(wall, heads, make, name):
    pictures, truth = film(wall, heads, FILMS[name])
    always, followed = Counting(), Counting()
    ones = seen(follow(make.clip(pictures), ALWAYS, 48, always))
    others = seen(follow(make.clip(pictures), FOLLOWED, 48, followed))
    assert {track for _, track in ones} == {track for _, track in others} == set(range(1, 1 + len(truth[33])))
    both = ones.keys() & others.keys()
    assert len(both) >= 0.98 * len(ones), "the same people at the same time"
    assert np.median([iou(ones[key][None], others[key][None]) for key in both]) > 0.9
    right = [max(iou(box[None], np.stack(list(truth[frame].values())))[0]) for (frame, _), box in others.items()]
    assert np.median(right) > 0.75, "a detector's box is drawn a little otherwise"
    assert min(right) > 0.3
    assert followed.pixels < 0.8 * always.pixels


def test_a_waving_hand_costs_no_search(wall, heads, make):
    pictures, _ = film(wall, heads, lambda i: {"a": at(60)}, 80)
    for i, image in enumerate(pictures):
        cv2.ellipse(image, (500 + round(40 * np.sin(i / 4)), 150), (25, 18), 0, 0, 360, (230, 180, 150), -1)
    still, followed = Counting(), Counting()
    list(follow(make.clip(pictures), FaceSettings(follow=False), 48, still))
    out = list(follow(make.clip(pictures), FOLLOWED, 48, followed))
    assert {track for _, track in seen(out)} == {1}
    assert followed.searches == 2, "one to find, one to confirm"
    assert still.searches > 8


def test_a_hand_that_stays_is_looked_at_once(wall, heads, make):
    pictures, _ = film(wall, heads, lambda i: {"a": at(60)}, 80)
    for image in pictures[18:]:
        cv2.ellipse(image, (500, 150), (25, 18), 0, 0, 360, (230, 180, 150), -1)
    followed = Counting()
    list(follow(make.clip(pictures), FOLLOWED, 48, followed))
    assert (followed.searches, followed.looks) == (2, 3), "at the hand, and at small copies of frames 30 and 55"


BESIDE = at(175, 80, 0.6)
"""So near to who stands at 60 that changes there tell nothing: a known person's shoulders move, too."""


def test_who_appears_close_beside_a_known_face_is_seen_within_search_every_frames(wall, heads, make):
    pictures, _ = film(wall, heads, lambda i: {"a": at(60)} | ({"b": BESIDE} if i > 31 else {}))
    followed = Counting()
    counts = [len(crops) for _, crops in follow(make.clip(pictures), FOLLOWED, 48, followed)]
    assert counts[:32] == [1] * 32
    assert counts[32 + 25 :] == [2] * 7
    assert followed.searches == 4, "to find, to confirm, and as often for who is new"


def test_a_lost_face_is_searched_for_until_its_number_is_given_up(wall, heads, make):
    """Hidden for 0.6 s where nothing tells that somebody is new."""
    pictures, _ = film(wall, heads, lambda i: {"a": at(60)} | ({} if i in range(32, 47) else {"b": BESIDE}), 56)
    tracks = [sorted(crop.track for crop in crops) for _, crops in follow(make.clip(pictures), FOLLOWED, 48)]
    assert tracks[:32] == [[1, 2]] * 32
    assert tracks[40] in ([1], [2])
    assert tracks[47 + 5 :] == [[1, 2]] * 4


def test_after_a_cut_the_next_scene_has_numbers_of_its_own(wall, heads, make):
    before, _ = film(wall, heads, lambda i: {"a": at(100)}, 20)
    after, _ = film(np.ascontiguousarray(255 - wall[::-1] // 2), heads, lambda i: {"b": at(330)}, 20)
    tracks = [[crop.track for crop in crops] for _, crops in follow(make.clip(before + after), FOLLOWED, 48)]
    assert tracks == [[1]] * 20 + [[2]] * 20
