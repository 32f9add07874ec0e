"""Perceptual hashes: pictures that look the same have nearly the same 64 bits, however they were saved.

The bits say which of the 64 lowest frequencies of the discrete cosine transform of the grey 32 x 32 picture lie above
their median (after C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010). Faces are
alike enough to share such bits, so a pair counts only if two grey thumbnails agree as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64

SIDE, THUMB = 32, 16
NEAR = 4
"""Most differing bits of a near duplicate. 320 faces of FERPlus, enlarged to 100 px and saved as JPEG of quality 70,
differed from themselves in 0.33 bits on average and in 2 at most."""
BANDS = NEAR + 1
"""Two hashes that differ in NEAR bits agree on all bits of one band at least."""
ALIKE = 0.95
"""Least correlation of two thumbnails of the same picture: those 320 had 0.998 and more. Of the near duplicates this
finds in FERPlus, 24 drawn over the whole range were looked at: all were the same photograph."""
FLAT = 2.0
"""Grey levels of standard deviation below which a picture has nothing to go by."""
PAIRS_AT_ONCE = 1 << 22


def _lowest_frequencies() -> tuple[Int64[np.ndarray, " 64"], Int64[np.ndarray, " 64"]]:
    """Rows and columns of the 64 lowest frequencies but the mean, by their distance from it."""
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    order = np.lexsort((rows, rows + columns))[1:65]
    return rows[order], columns[order]


_LOWEST = _lowest_frequencies()


def thumbnail(image: UInt8[np.ndarray, "3 h w"]) -> UInt8[np.ndarray, "16 16"]:
    """The picture in grey, 16 x 16, by area means."""
    return cv2.resize(_grey(image), (THUMB, THUMB), interpolation=cv2.INTER_AREA)


def perceptual_hash(image: UInt8[np.ndarray, "3 h w"]) -> int:
    """The 64 bits of a picture."""
    small = cv2.resize(_grey(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = cv2.dct(small)[_LOWEST]
    return int(np.packbits(waves > np.median(waves)).view(">u8")[0])


def _grey(image: UInt8[np.ndarray, "3 h w"]) -> UInt8[np.ndarray, "h w"]:
    return cv2.cvtColor(np.ascontiguousarray(image.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY)


def near_pairs(
    hashes: UInt64[np.ndarray, "n k"], thumbs: UInt8[np.ndarray, "n k 16 16"], groups: Int64[np.ndarray, " n"]
) -> list[tuple[int, int]]:
    """The pairs of items of different groups that look the same in all their k pictures.

    Candidates share a band of bits of one picture; the cost grows with the number of these, not with n squared.

    Args:
        hashes: of the k pictures of each item.
        thumbs: of the same pictures; items with a flat one are like nothing.
        groups: items of one group are not compared.

    Returns:
        Places (low, high), in order, each pair once.
    """
    found: set[tuple[int, int]] = set()
    vectors, detailed = _standardised(thumbs)
    middle = hashes[:, hashes.shape[1] // 2]
    for first, second in _candidates(middle, detailed):
        keep = groups[first] != groups[second]
        keep[keep] = (np.bitwise_count(hashes[first[keep]] ^ hashes[second[keep]]) <= NEAR).all(1)
        first, second = first[keep], second[keep]
        alike = (np.einsum("nkp,nkp->nk", vectors[first], vectors[second]) >= ALIKE).all(1)
        low, high = np.minimum(first, second)[alike], np.maximum(first, second)[alike]
        found.update(zip(low.tolist(), high.tolist(), strict=True))
    return sorted(found)


def _standardised(thumbs: UInt8[np.ndarray, "n k 16 16"]) -> tuple[np.ndarray, Bool[np.ndarray, " n"]]:
    """Thumbnails as vectors whose dot product is their correlation, float16 (n, k, 256); which items are not flat."""
    flat = thumbs.reshape(*thumbs.shape[:2], -1)
    vectors = np.empty(flat.shape, np.float16)
    detailed = np.empty(len(flat), np.bool_)
    for begin in range(0, len(flat), 4096):  # in blocks, as float32 of all of them would be four times the thumbnails
        some = flat[begin : begin + 4096].astype(np.float32)
        deviation = some.std(axis=2, keepdims=True)
        detailed[begin : begin + 4096] = (deviation >= FLAT).all((1, 2))
        norm = np.maximum(deviation, 1e-3) * np.sqrt(some.shape[2])
        vectors[begin : begin + 4096] = (some - some.mean(axis=2, keepdims=True)) / norm
    return vectors, detailed


def _candidates(
    hashes: UInt64[np.ndarray, " n"], allowed: Bool[np.ndarray, " n"]
) -> Iterator[tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]]:
    """Blocks of pairs whose hashes agree on a band; a pair that agrees on several comes several times."""
    places = np.flatnonzero(allowed)
    edges = np.linspace(0, 64, BANDS + 1).astype(int)
    for low, high in pairwise(edges.tolist()):
        band = (hashes[places] >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = places[np.argsort(band, kind="stable")]
        values = np.sort(band)
        # Sorted by band, each item is paired with those after it up to the end of its run.
        ends = np.searchsorted(values, values, side="right")
        yield from _runs(order, ends - np.arange(len(order)) - 1)


def _runs(
    order: Int64[np.ndarray, " n"], after: Int64[np.ndarray, " n"]
) -> Iterator[tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]]:
    """Pair item i with the ``after[i]`` items that follow it, about PAIRS_AT_ONCE pairs at a time."""
    totals = np.cumsum(after)
    begin = 0
    while begin < len(order):
        done = int(totals[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(totals, done + PAIRS_AT_ONCE, side="right")))
        counts = after[begin:end]
        first = np.repeat(np.arange(begin, end), counts)
        step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        yield order[first], order[first + step + 1]
        begin = end
