"""The inner loops of light: shadows, what leaves a vertex, and what a sensor makes of it."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32

from mien.data.people.compiled import compiled
from mien.data.people.kernels import FAR, Linear, Points, Triangles, cover

Vector = Float32[np.ndarray, "3"]


@compiled
def lit(
    points: Points, triangles: Triangles, frame: Float32[np.ndarray, "3 4"], side: int, bias: float, soft: float
) -> Float32[np.ndarray, " n"]:
    """Share of a light that reaches every vertex, 0 to 1, with a map of what it meets first.

    Args:
        points: vertices.
        triangles: what casts shadows.
        frame: affine map from points to x, y in pixels of the light's square map and the depth towards the light.
        side: of the map.
        bias: depth by which a vertex may lie behind and is lit all the same.
        soft: depth over which the light fades.
    """
    screen = np.empty_like(points)
    for i in range(points.shape[0]):
        for k in range(3):
            screen[i, k] = (
                frame[k, 0] * points[i, 0] + frame[k, 1] * points[i, 1] + frame[k, 2] * points[i, 2] + frame[k, 3]
            )
    depth = np.full((side, side), FAR, np.float32)
    owner = np.empty((side, side), np.int32)
    cover(screen, triangles, depth, owner)
    out = np.empty(points.shape[0], np.float32)
    for i in range(points.shape[0]):
        x, y = screen[i, 0] - 0.5, screen[i, 1] - 0.5
        u, v = math.floor(x), math.floor(y)
        total = 0.0
        for dy in range(-1, 3):
            for dx in range(-1, 3):
                column, row = min(max(u + dx, 0), side - 1), min(max(v + dy, 0), side - 1)
                behind = (depth[row, column] - screen[i, 2] - bias) / soft
                total += 1 - min(max(behind, 0.0), 1.0)
        out[i] = total / 16
    return out


@compiled
def shadowed(
    points: Points,
    casting: int,
    facing: Float32[np.ndarray, " n"],
    frame: Float32[np.ndarray, "3 4"],
    side: int,
    bias: float,
    soft: float,
) -> Float32[np.ndarray, " n"]:
    """As :func:`lit`, twice as quick: the first ``casting`` points cast the shadows, each over 2 x 2 pixels.

    Where ``facing`` (the cosine towards the light, and what it wraps around) is not above 0 the answer is 0.

    Fit for meshes whose vertices lie closer than two pixels of the map; shadows reach half a pixel too far.
    """
    depth = np.full((side, side), FAR, np.float32)
    place = np.empty_like(points)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            place[i, k] = frame[k, 0] * x + frame[k, 1] * y + frame[k, 2] * z + frame[k, 3]
        if i < casting:
            u, v = math.floor(place[i, 0] - 0.5), math.floor(place[i, 1] - 0.5)
            if 0 <= u < side - 1 and 0 <= v < side - 1:
                for row in (v, v + 1):
                    for column in (u, u + 1):
                        if place[i, 2] > depth[row, column]:
                            depth[row, column] = place[i, 2]
    out = np.empty(points.shape[0], np.float32)
    for i in range(points.shape[0]):
        if facing[i] <= 0:
            out[i] = 0
            continue
        u, v = math.floor(place[i, 0]), math.floor(place[i, 1])
        total = 0.0
        for row in range(max(v - 1, 0), min(v + 2, side)):
            for column in range(max(u - 1, 0), min(u + 2, side)):
                behind = (depth[row, column] - place[i, 2] - bias) / soft
                total += min(max(behind, 0.0), 1.0)
        out[i] = 1 - total / 9
    return out


@compiled
def leaving(
    normal: Points,
    albedo: Points,
    gloss: Float32[np.ndarray, " n"],
    reached: Float32[np.ndarray, " n"],
    above: Float32[np.ndarray, 3],
    below: Float32[np.ndarray, 3],
    lamps: Float32[np.ndarray, "l 7"],
    shares: Float32[np.ndarray, "l n"],
) -> Points:
    """Light that leaves every vertex towards the camera (which looks along -z).

    Args:
        normal: of the vertices.
        albedo, gloss: shares of light that are scattered and mirrored.
        reached: share of the surroundings that is seen from a vertex.
        above, below: light of the surroundings.
        lamps: direction (3), colour (3), wrap.
        shares: of each lamp that reach a vertex.
    """
    out = np.empty_like(normal)
    half = np.empty((lamps.shape[0], 3), np.float32)
    for k in range(lamps.shape[0]):
        x, y, z = lamps[k, 0], lamps[k, 1], lamps[k, 2] + 1
        length = math.sqrt(x * x + y * y + z * z) + 1e-9
        half[k, 0], half[k, 1], half[k, 2] = x / length, y / length, z / length
    for i in range(normal.shape[0]):
        x, y, z = normal[i, 0], normal[i, 1], normal[i, 2]
        up = (0.5 + 0.5 * y) * reached[i]
        down = reached[i] - up
        # What sees little of the surroundings sees little of a wide lamp, too: mouths are caves.
        cave = min(0.15 + 1.5 * reached[i], 1.0)
        for c in range(3):
            out[i, c] = albedo[i, c] * (above[c] * up + below[c] * down)
        for k in range(lamps.shape[0]):
            wrap = lamps[k, 6]
            cosine = (x * lamps[k, 0] + y * lamps[k, 1] + z * lamps[k, 2] + wrap) / (1 + wrap)
            if cosine <= 0:
                continue
            share = cosine * shares[k, i] * cave
            shine = max(x * half[k, 0] + y * half[k, 1] + z * half[k, 2], 0.0)
            shine *= shine
            shine *= shine
            shine *= shine
            shine *= shine * gloss[i]
            for c in range(3):
                out[i, c] += share * lamps[k, 3 + c] * (albedo[i, c] + shine)
    return out


@compiled
def develop(
    image: Linear,
    balance: Vector,
    curve: Float32[np.ndarray, " k"],
    brightest: float,
    look: Vector,
    noise: Float32[np.ndarray, "h w c"],
) -> None:
    """Turn linear light into a picture's values, 0 to 1 and a little beyond, in place.

    Args:
        image: linear light.
        balance: factors of red, green and blue.
        curve: values of the tone curve at light from 0 to ``brightest``, evenly spaced; the last holds beyond.
        brightest: see ``curve``.
        look: share of colour (0: grey), contrast about .45, offset.
        noise: is added; one channel is added to all three.
    """
    last = curve.shape[0] - 1
    scale = np.float32(last / brightest)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = min(max(image[y, x, c] * balance[c] * scale, np.float32(0)), np.float32(last - 1e-3))
                place = int(value)
                share = value - np.float32(place)
                image[y, x, c] = curve[place] + share * (curve[place + 1] - curve[place])
            grey = (
                np.float32(0.299) * image[y, x, 0]
                + np.float32(0.587) * image[y, x, 1]
                + np.float32(0.114) * image[y, x, 2]
            )
            for c in range(3):
                value = grey + look[0] * (image[y, x, c] - grey)
                value = (value - np.float32(0.45)) * look[1] + np.float32(0.45) + look[2]
                image[y, x, c] = value + noise[y, x, min(c, noise.shape[2] - 1)]
