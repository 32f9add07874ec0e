"""One person in one state before one camera: from vertices to the pixels of an aligned crop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from mien.data.people import kernels
from mien.data.people.camera import Views, place, rotation
from mien.data.people.covers import Canvas, Cover
from mien.data.people.light import Lighting, brightness, exposure, light
from mien.data.people.look import Painter, Person
from mien.data.people.model import (
    BACK,
    BALLS,
    EYES,
    LASHES,
    LID_SHADOW,
    MOUTH,
    SKIN,
    TEETH,
    MorphableHead,
    Triangles,
)  # fmt: skip
from mien.data.people.regions import find_regions, ramp
from mien.data.people.scene import hang_hair
from mien.data.people.sensor import Sensor, expose

Linear = Float32[np.ndarray, "h w 3"]
Coefficients = Float32[np.ndarray, " m"]

OVER = 2
"""Pixels of the screen along one of the crop; edges are smoothed by their mean."""
LEAST_SCREEN = 144
"""Pixels below which a screen's eyes have too few of them."""
NECK = -17.0
"""Centimetres below the eyes where crops have ended."""
CLOSED = 0.14
"""Centimetres between the lips up to which teeth cannot be seen."""
SUNK = 0.3
"""Centimetres by which lids win over an eyeball: shapes mix linearly, and some persons' balls pierce their lids."""
MOST_SHUTTING = 1.6
"""Factor by which lids may go further than the model's mean person needs."""
GAZE = (35.0, 28.0)
"""Degrees across and up that an eye turns at coefficient 1."""


@dataclass(frozen=True, eq=False)
class Set:
    """All that stays the same over a clip: light, camera, room, things.

    Attributes:
        views: poses and camera.
        lighting: light.
        background: linear light, as large as the screen or larger.
        sensor: the camera's.
        covers: painted over the head, in this order.
        hair: seed of the long hair behind the head; None: no such hair.
    """

    views: Views
    lighting: Lighting
    background: Linear
    sensor: Sensor
    covers: tuple[Cover, ...]
    hair: int | None


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn frame.

    Attributes:
        image: the crop, RGB.
        landmarks: the 68 in pixels of the crop.
        pose: degrees: yaw, pitch, and roll as it lies in the crop.
        gaze: degrees in which right and left eye look, relative to the head: across (to the picture's right), up.
    """

    image: UInt8[np.ndarray, "3 s s"]
    landmarks: Float32[np.ndarray, "68 2"]
    pose: Float32[np.ndarray, 3]
    gaze: Float32[np.ndarray, "2 2"]


class Pen:
    """Draws people of one model.

    Args:
        head: the model.
        size: side of the crops in pixels.
    """

    def __init__(self, head: MorphableHead, size: int) -> None:
        self.head, self.size = head, size
        self.regions = find_regions(head)
        self.painter = Painter(head, self.regions)
        self.over = max(OVER, math.ceil(LEAST_SCREEN / size))
        self.side = self.over * size
        # Balls first and the mouth's inside last, so that a closed mouth is a shorter list.
        skin = self._seen(head.triangles(SKIN, BACK))
        self.solid = np.concatenate([head.triangles(*BALLS), skin, head.triangles(MOUTH, TEETH)])
        self.closed = len(self.solid) - len(head.triangles(MOUTH, TEETH))
        self.kind = np.full(len(self.solid), kernels.PLAIN, np.uint8)
        right, both = len(head.triangles(BALLS[0])), len(head.triangles(*BALLS))
        self.kind[:right], self.kind[right:both] = kernels.BALL, kernels.BALL + 1
        self.veils = [(head.triangles(LID_SHADOW), 0.12), (head.triangles(LASHES), 0.0)]
        self.black = np.full_like(head.neutral, 0.01)
        self.balls = [head.vertices(ball) for ball in BALLS]
        self.both_balls = np.concatenate(self.balls)
        self.reached = self._reached()
        self.strands = _strands()
        self.moves = _sparse(head.expression)
        self.blinks = [head.index(f"eyeBlink_{side}") for side in "RL"]
        self._eye_places = {
            name: head.index(name)
            for name in (f"eyeLook{way}_{side}" for way in ("In", "Out", "Up", "Down") for side in "RL")
        }

    def _seen(self, triangles: Triangles) -> Triangles:
        """Without the neck, and those that no pose turns to the camera."""
        corners = self.head.neutral[triangles]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facing /= np.linalg.norm(facing, axis=1, keepdims=True) + 1e-9
        seen: Triangles = triangles[(facing[:, 2] > -0.75) & (corners[..., 1].max(1) > NECK)]
        return seen

    def _reached(self) -> Float32[np.ndarray, " n"]:
        """Ambient light by vertex; what is hidden at rest shows only when it is open, and then gets some."""
        reached = np.full(len(self.head.neutral), 0.4, np.float32)
        reached[: self.head.skin] = np.maximum(self.regions.reached, 0.2)
        reached[: self.head.skin][self.regions.inner > 0] = 0.1
        reached[self.head.vertices(MOUTH)] = 0.15
        teeth = self.head.vertices(TEETH)
        if len(teeth):  # molars see less of the light than incisors
            forward = self.head.neutral[teeth, 2]
            reached[teeth] = 0.05 + 0.4 * ramp(forward, forward.max() - 2.6, forward.max() - 0.2)
        for ball in self.balls:
            reached[ball] = 0.45  # lids and brows hide much of the room
        return reached

    def gaze(self, coefficients: Coefficients) -> Float32[np.ndarray, "2 2"]:
        """Degrees in which the right and the left eye look: across, to the picture's right, and up."""

        def of(name: str) -> float:
            place_ = self._eye_places[name]
            return 0.0 if place_ is None else float(coefficients[place_])

        across = [of("eyeLookIn_R") - of("eyeLookOut_R"), of("eyeLookOut_L") - of("eyeLookIn_L")]
        up = [of(f"eyeLookUp_{side}") - of(f"eyeLookDown_{side}") for side in "RL"]
        return np.asarray(np.stack([np.multiply(across, GAZE[0]), np.multiply(up, GAZE[1])], 1), np.float32)

    def draw(
        self, person: Person, coefficients: Coefficients, stage: Set, frame: int, noise: np.random.Generator
    ) -> Drawn:
        """A frame of a clip.

        Args:
            person: who.
            coefficients: of every movement of the model.
            stage: where.
            frame: which pose of ``stage.views``.
            noise: draws the sensor's.
        """
        head, lighting = self.head, stage.lighting
        shape = kernels.moved(person.shape, *self.moves, self._shutting(person, coefficients))
        turn = rotation(*(float(angle) for angle in stage.views.pose[frame]))
        points = kernels.turned(shape, turn)
        placed = place(points, points[head.landmarks], stage.views, frame, self.size, self.over)
        solid = self.solid if self._open(shape) else self.solid[: self.closed]
        normal = kernels.normals(points, solid)
        albedo = self._folded(person, coefficients)
        colour = light(points, normal, albedo, person.gloss, self.reached, self.head.skin, lighting)
        gain = exposure(lighting, float(np.median(person.albedo[head.landmarks[27:36]])))
        colour *= np.float32(gain)
        white = gain * brightness(lighting)
        image = stage.background.copy()
        if stage.hair is not None:
            middle = placed.screen[head.landmarks[[0, 16]], :2].mean(0)
            tint = person.hair.colour * np.float32(0.6 * white)
            hang_hair(image, middle, placed.unit, tint, np.random.default_rng(stage.hair))
        extra, balls = self._eyes(person, shape, turn, coefficients)
        depth = np.full((self.side, self.side), kernels.FAR, np.float32)
        owner = np.full((self.side, self.side), -1, np.int32)
        behind = placed.screen.copy()
        behind[self.both_balls, 2] -= SUNK
        kernels.cover(behind, solid, depth, owner)
        glint = _glint(lighting, gain)
        kernels.shade(placed.screen, solid, self.kind, owner, colour, extra, self.strands, balls, glint, image)
        for triangles, share in self.veils:
            kernels.veil(placed.screen, triangles, depth, share or 0.3 * person.lashes, self.black, image)
        marks = (placed.landmarks.astype(np.float64) + 0.5) * self.over - 0.5
        for cover in stage.covers:
            cover.paint(Canvas(image, marks, placed.unit, white, frame))
        crop = expose(image, stage.sensor, self.size, noise)
        yaw, pitch = stage.views.pose[frame, :2]
        pose = np.array([yaw, pitch, placed.roll], np.float32)
        return Drawn(crop, placed.landmarks, pose, self.gaze(coefficients))

    def _shutting(self, person: Person, coefficients: Coefficients) -> Coefficients:
        """Movements with lids that go as far as this person's eyes are open: the model's shut those of the mean."""
        out = np.array(coefficients, np.float32)
        for blink, eye in zip(self.blinks, EYES, strict=True):
            if blink is not None:
                mean, own = (_opening(shape[self.head.landmarks[eye]]) for shape in (self.head.neutral, person.shape))
                out[blink] *= min(max(own / max(mean, 1e-3), 1.0), MOST_SHUTTING)
        return out

    def _open(self, shape: Float32[np.ndarray, "n 3"]) -> bool:
        """Whether anything of the mouth's inside can be seen."""
        marks = shape[self.head.landmarks]
        return float((marks[61:64, 1] - marks[67:64:-1, 1]).max()) > CLOSED

    def _folded(self, person: Person, coefficients: Coefficients) -> Float32[np.ndarray, "n 3"]:
        """Reflectance with the folds of these movements."""
        depths = np.clip(self.regions.crease_weights @ coefficients, 0, 1) * person.lines
        used = depths > 0.01
        albedo = person.albedo.copy()
        fold = np.einsum("c,cs->s", depths[used].astype(np.float32), self.regions.creases[used])
        albedo[: self.head.skin] *= np.maximum(1 - np.float32(0.6) * fold, 0.2)[:, None]
        return albedo

    def _eyes(
        self,
        person: Person,
        shape: Float32[np.ndarray, "n 3"],
        turn: Float32[np.ndarray, "3 3"],
        coefficients: Coefficients,
    ) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "2 12"]]:
        """Directions from the balls' centres, and what :func:`mien.data.people.kernels.shade` wants of each eye."""
        extra, balls = person.extra.copy(), np.zeros((2, 12), np.float32)
        iris = person.iris
        for number, (ball, (across, up)) in enumerate(
            zip(self.balls, np.radians(self.gaze(coefficients)), strict=True)
        ):
            if not len(ball):
                continue
            around = shape[ball]
            # The ball bulges in front: its middle is that of its widest part, behind which it is a sphere.
            low, high = around.min(0), around.max(0)
            centre = np.array([*(low + high)[:2] / 2, low[2] + (high[0] - low[0]) / 2], np.float32)
            extra[ball] = (around - centre) @ turn.T
            axis = np.array([math.sin(across) * math.cos(up), math.sin(up), math.cos(across) * math.cos(up)])
            balls[number] = [*(turn @ axis), iris.radius, iris.radius * iris.pupil, *iris.colour, *iris.rim, 1.0]
        return extra, balls


def _opening(eye: Float32[np.ndarray, "6 3"]) -> float:
    """Centimetres between the lids, of the eye's six landmarks."""
    return float((eye[1:3, 1] - eye[5:3:-1, 1]).mean())


def _glint(lighting: Lighting, gain: float) -> Float32[np.ndarray, 4]:
    lamp = lighting.lamps[0]
    half = lamp.way + np.array([0, 0, 1], np.float32)
    power = 0.9 * gain * float(lamp.colour.mean()) * (1 - lamp.wrap)
    return np.array([*(half / np.linalg.norm(half)), power], np.float32)


def _sparse(
    moves: Float32[np.ndarray, "m n 3"],
) -> tuple[Int64[np.ndarray, " m1"], Int32[np.ndarray, " e"], Float32[np.ndarray, "e 3"]]:
    """What :func:`mien.data.people.kernels.moved` takes: moves of less than 0.001 cm left out."""
    changed = np.abs(moves).max(2) > 1e-3
    starts = np.concatenate([[0], np.cumsum(changed.sum(1))]).astype(np.int64)
    which = np.nonzero(changed)[1].astype(np.int32)
    return starts, which, np.ascontiguousarray(moves[changed])


def _strands() -> Float32[np.ndarray, "128 256"]:
    """Long thin streaks, the same for everybody: how bright single strands of hair are."""
    rng = np.random.default_rng(20260115)
    fine, coarse = rng.standard_normal((8, 256)), rng.standard_normal((4, 64))
    rows = np.arange(128)
    fine = fine[(rows // 16) % 8] * (0.6 + 0.4 * np.cos(rows / 128 * 2 * np.pi))[:, None]
    streaks = 1 + 0.3 * fine + 0.3 * np.repeat(coarse[(rows // 32) % 4], 4, 1)
    return np.clip(streaks, 0.25, 2.2).astype(np.float32)
