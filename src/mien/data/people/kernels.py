"""The inner loops of drawing: blending shapes, normals, projection, visibility, the colour of pixels.

Screens have y downwards and a depth that grows towards the eye. Triangles are wound so that those which face the eye
have a negative area on the screen. One thread and a fixed order: equal input gives equal pixels.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from mien.data.people.compiled import compiled

Points = Float32[np.ndarray, "n 3"]
Triangles = Int32[np.ndarray, "f 3"]
Depth = Float32[np.ndarray, "h w"]
Linear = Float32[np.ndarray, "h w 3"]
"""A picture in linear light: 1 is white."""

FAR = np.float32(-1e9)
PLAIN, BALL = 0, 1
"""How a triangle is coloured: as its corners; as the eyeball of number code - BALL."""


@compiled
def blend(base: Points, moves: Float32[np.ndarray, "k n 3"], weights: Float32[np.ndarray, " k"]) -> Points:
    """``base`` plus the weighted moves; moves of weight 0 cost nothing."""
    out = base.copy()
    for k in range(moves.shape[0]):
        w = weights[k]
        if w != 0:
            for i in range(base.shape[0]):
                out[i, 0] += w * moves[k, i, 0]
                out[i, 1] += w * moves[k, i, 1]
                out[i, 2] += w * moves[k, i, 2]
    return out


@compiled
def moved(
    base: Points,
    starts: Int64[np.ndarray, " k1"],
    which: Int32[np.ndarray, " e"],
    moves: Float32[np.ndarray, "e 3"],
    weights: Float32[np.ndarray, " k"],
) -> Points:
    """As :func:`blend` for moves that leave most vertices where they are.

    Move k changes the vertices ``which[starts[k] : starts[k + 1]]`` by the rows of ``moves`` beside them.
    """
    out = base.copy()
    for k in range(weights.shape[0]):
        w = weights[k]
        if w != 0:
            for e in range(starts[k], starts[k + 1]):
                i = which[e]
                out[i, 0] += w * moves[e, 0]
                out[i, 1] += w * moves[e, 1]
                out[i, 2] += w * moves[e, 2]
    return out


@compiled
def normals(points: Points, triangles: Triangles) -> Points:
    """Unit normals of the vertices, triangles weighted by their area; 0 for a vertex without triangle."""
    out = np.zeros_like(points)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            k = triangles[t, corner]
            out[k, 0] += x
            out[k, 1] += y
            out[k, 2] += z
    for i in range(out.shape[0]):
        length = math.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2) + 1e-9
        out[i, 0] /= length
        out[i, 1] /= length
        out[i, 2] /= length
    return out


@compiled
def cover(screen: Points, triangles: Triangles, depth: Depth, owner: Int32[np.ndarray, "h w"]) -> None:
    """Which triangle is nearest in every pixel, written into ``depth`` and ``owner`` (-1: none)."""
    h, w = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area > -1e-9:
            continue
        left, right = max(math.ceil(min(x0, x1, x2)), 0), min(math.floor(max(x0, x1, x2)), w - 1)
        top, low = max(math.ceil(min(y0, y1, y2)), 0), min(math.floor(max(y0, y1, y2)), h - 1)
        inverse = 1 / area
        for y in range(top, low + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z > depth[y, x]:
                    depth[y, x] = z
                    owner[y, x] = t


@compiled
def shade(
    screen: Points,
    triangles: Triangles,
    kind: UInt8[np.ndarray, " f"],
    owner: Int32[np.ndarray, "h w"],
    colour: Points,
    extra: Points,
    strands: Float32[np.ndarray, "p q"],
    balls: Float32[np.ndarray, "2 12"],
    glint: Float32[np.ndarray, 4],
    image: Linear,
) -> None:
    """Colour every covered pixel from its triangle's corners.

    Args:
        screen: x, y, depth.
        triangles: as ``owner`` counts them.
        kind: :data:`PLAIN`, or :data:`BALL` plus the eye's number.
        owner: of :func:`cover`.
        colour: light that leaves the vertices.
        extra: of plain vertices how much hair is there and its place on ``strands`` (x, y); of an eyeball's the
            direction from its centre.
        strands: factors of hair's brightness; repeats.
        balls: an eye's axis (3), radius of the iris and of the pupil as angles, colour of the iris (3) and of its rim
            (3), and 1 if there is an iris.
        glint: direction in which an eye mirrors the strongest light, and how bright.
        image: is painted over.
    """
    h, w = owner.shape
    for y in range(h):
        for x in range(w):
            t = owner[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            x0, y0, x1, y1, x2, y2 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
            inverse = 1 / ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
            w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
            w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
            w0 = 1 - w1 - w2
            red = w0 * colour[a, 0] + w1 * colour[b, 0] + w2 * colour[c, 0]
            green = w0 * colour[a, 1] + w1 * colour[b, 1] + w2 * colour[c, 1]
            blue = w0 * colour[a, 2] + w1 * colour[b, 2] + w2 * colour[c, 2]
            p = w0 * extra[a, 0] + w1 * extra[b, 0] + w2 * extra[c, 0]
            q = w0 * extra[a, 1] + w1 * extra[b, 1] + w2 * extra[c, 1]
            r = w0 * extra[a, 2] + w1 * extra[b, 2] + w2 * extra[c, 2]
            if kind[t] >= BALL:
                k = kind[t] - BALL
                length = math.sqrt(p * p + q * q + r * r) + 1e-9
                cosine = (p * balls[k, 0] + q * balls[k, 1] + r * balls[k, 2]) / length
                angle = math.acos(min(max(cosine, -1.0), 1.0))
                iris = min(max((balls[k, 3] - angle) / 0.05 + 0.5, 0.0), 1.0) * balls[k, 11]
                rim = min(max((angle - 0.72 * balls[k, 3]) / (0.28 * balls[k, 3]), 0.0), 1.0)
                pupil = min(max((balls[k, 4] - angle) / 0.04 + 0.5, 0.0), 1.0)
                red *= 1 - iris + iris * (1 - pupil) * (balls[k, 5] * (1 - rim) + balls[k, 8] * rim)
                green *= 1 - iris + iris * (1 - pupil) * (balls[k, 6] * (1 - rim) + balls[k, 9] * rim)
                blue *= 1 - iris + iris * (1 - pupil) * (balls[k, 7] * (1 - rim) + balls[k, 10] * rim)
                mirror = (p * glint[0] + q * glint[1] + r * glint[2]) / length
                shine = glint[3] * min(max((mirror - 0.99) / 0.006, 0.0), 1.0)
                red += shine
                green += shine
                blue += shine
            elif p > 0:
                u, v = int(q) % strands.shape[1], int(r) % strands.shape[0]
                factor = 1 + p * (strands[v, u] - 1)
                red *= factor
                green *= factor
                blue *= factor
            image[y, x, 0] = red
            image[y, x, 1] = green
            image[y, x, 2] = blue


@compiled
def veil(screen: Points, triangles: Triangles, depth: Depth, alpha: float, colour: Points, image: Linear) -> None:
    """Lay see-through triangles, both sides of them, over what is farther away; ``depth`` stays."""
    h, w = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = max(math.ceil(min(x0, x1, x2)), 0), min(math.floor(max(x0, x1, x2)), w - 1)
        top, low = max(math.ceil(min(y0, y1, y2)), 0), min(math.floor(max(y0, y1, y2)), h - 1)
        inverse = 1 / area
        for y in range(top, low + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z > depth[y, x] - 0.03:
                    for k in range(3):
                        value = w0 * colour[a, k] + w1 * colour[b, k] + w2 * colour[c, k]
                        image[y, x, k] += alpha * (value - image[y, x, k])


@compiled
def turned(points: Points, turn: Float32[np.ndarray, "3 3"]) -> Points:
    """``points @ turn.T``."""
    out = np.empty_like(points)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            out[i, k] = turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z
    return out


@compiled
def projected(points: Points, distance: float, scale: float, motion: Float64[np.ndarray, "2 3"]) -> Points:
    """Points before a pinhole at (0, 0, ``distance``): x, y after ``motion``, and the depth as it was.

    A centimetre at depth 0 is ``scale`` before ``motion``.
    """
    out = np.empty_like(points)
    for i in range(points.shape[0]):
        k = scale * distance / (distance - points[i, 2])
        x, y = points[i, 0] * k, -points[i, 1] * k
        out[i, 0] = motion[0, 0] * x + motion[0, 1] * y + motion[0, 2]
        out[i, 1] = motion[1, 0] * x + motion[1, 1] * y + motion[1, 2]
        out[i, 2] = points[i, 2]
    return out
