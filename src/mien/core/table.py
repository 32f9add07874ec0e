"""The growing table of faces: one row per face and frame, about 280 bytes each, so a four-hour video fits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from mien.core.signals import Signal, places, width
from mien.core.types import Face, FaceRow, Quality

CHUNK_ROWS = 4096


def row_dtype(classes: int, signals: int = 0) -> np.dtype[np.void]:
    """The columns of a :class:`FaceTable` with so many probabilities and columns of signals a row, without padding."""
    return np.dtype(
        [
            ("index", np.int32),
            ("time", np.float64),
            ("track", np.int32),
            ("box", np.float32, (4,)),
            ("score", np.float32),
            ("points", np.float32, (5, 2)),
            ("measured", np.bool_),
            ("size", np.float32),
            ("sharpness", np.float32),
            ("yaw", np.float32),
            ("reason", np.uint8),
            ("probabilities", np.float32, (classes,)),
            ("signals", np.float32, (signals,)),
        ]
    )


class FaceTable:
    """Columnar store of :class:`~mien.core.types.FaceRow`, appended to while a source streams by.

    A row's number is its place in the order of appending; :meth:`sort` renumbers.

    Args:
        classes: number of probabilities a row holds.
        signals: what a row holds beside them.
    """

    def __init__(self, classes: int, signals: tuple[Signal, ...] = ()) -> None:
        self._dtype, self._signals = row_dtype(classes, width(signals)), signals
        self._chunks: list[Shaped[np.ndarray, " n"]] = []
        self._length = 0
        self._reasons: list[str | None] = [None]

    @property
    def classes(self) -> int:
        """Probabilities a row holds."""
        return int(self._dtype["probabilities"].shape[0])

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What a row holds beside the probabilities."""
        return self._signals

    @property
    def reasons(self) -> tuple[str | None, ...]:
        """Meaning of the codes in column ``reason``; code 0 is None (the face can be read)."""
        return tuple(self._reasons)

    @property
    def row_bytes(self) -> int:
        """Bytes one row takes."""
        return self._dtype.itemsize

    def __len__(self) -> int:
        return self._length

    def append(self, row: FaceRow) -> int:
        """Add a row (probabilities and signals None become NaN) and return its number."""
        if self._length == len(self._chunks) * CHUNK_ROWS:
            self._chunks.append(np.zeros(CHUNK_ROWS, self._dtype))
        face, quality = row.face, row.quality
        self._chunks[-1][self._length % CHUNK_ROWS] = (
            *(row.index, row.time, row.track),
            *(face.box, face.score, face.points, face.measured),
            *(quality.size, quality.sharpness, quality.yaw, self._code(quality.reason)),
            *(np.nan if values is None else values for values in (row.probabilities, row.signals)),
        )
        self._length += 1
        return self._length - 1

    def extend(self, rows: Shaped[np.ndarray, " n"], reasons: Sequence[str | None]) -> None:
        """Add rows of :func:`row_dtype`, and why each face could not be read; their own codes of it do not count."""
        added = rows.copy()
        added["reason"] = [self._code(reason) for reason in reasons]
        self._store(np.concatenate([*self._filled(), added]))

    def _store(self, rows: Shaped[np.ndarray, " n"]) -> None:
        parts = (rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS))
        self._chunks = [np.concatenate([part, np.zeros(CHUNK_ROWS - len(part), self._dtype)]) for part in parts]
        self._length = len(rows)

    def _code(self, reason: str | None) -> int:
        if reason not in self._reasons:
            self._reasons.append(reason)
        return self._reasons.index(reason)

    def set_probabilities(
        self,
        rows: Int[np.ndarray, " n"],
        probabilities: Float[np.ndarray, "n c"],
        signals: Float[np.ndarray, "n k"] | None = None,
    ) -> None:
        """Write the probabilities of ``rows`` (row numbers), and the columns of their signals.

        Raises IndexError for a row that does not exist.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self._length:
            raise IndexError(f"rows {rows.min()}..{rows.max()} of a table of {self._length} rows")
        chunks, at = np.divmod(rows, CHUNK_ROWS)
        for chunk in np.unique(chunks):
            inside = chunks == chunk
            self._chunks[chunk]["probabilities"][at[inside]] = probabilities[inside]
            if signals is not None:
                self._chunks[chunk]["signals"][at[inside]] = signals[inside]

    def leave(self, rows: Int[np.ndarray, " n"], reason: str) -> None:
        """Say of ``rows`` (row numbers), which hold no probabilities, why their faces could not be read."""
        for chunk, at in zip(*np.divmod(rows, CHUNK_ROWS), strict=True):
            self._chunks[chunk]["reason"][at] = self._code(reason)

    def rename(self, tracks: Mapping[int, int]) -> None:
        """Give the rows of every track the number that ``tracks`` has for it. KeyError for one that it lacks."""
        for chunk in self._filled():
            chunk["track"] = [tracks[one] for one in chunk["track"].tolist()]

    def signal(self, name: str) -> Float[np.ndarray, "n k"]:
        """A copy of a signal's columns over all rows; NaN where the face could not be read. KeyError for a stranger."""
        return self.column("signals")[:, places(self._signals)[name]]

    def column(self, name: str) -> Shaped[np.ndarray, "n ..."]:
        """A copy of one column over all rows; ``reason`` gives codes into :attr:`reasons`. KeyError for a stranger."""
        if name not in (self._dtype.names or ()):
            raise KeyError(f"{name!r} is no column; the columns are {', '.join(self._dtype.names or ())}")
        filled = [chunk[name] for chunk in self._filled()]
        return np.concatenate(filled) if filled else np.zeros(0, self._dtype)[name]

    def _filled(self) -> Iterator[Shaped[np.ndarray, " n"]]:
        for number, chunk in enumerate(self._chunks):
            yield chunk[: self._length - number * CHUNK_ROWS]

    def sort(self) -> None:
        """Put the rows in order of frame, then track."""
        order = np.lexsort((self.column("track"), self.column("index")))
        if np.all(order[1:] > order[:-1]):
            return
        self._store(np.concatenate(list(self._filled()))[order])

    def __getitem__(self, row: int) -> FaceRow:
        """Row ``row`` as a value of its own; negative numbers count from the end."""
        number = row + self._length if row < 0 else row
        if not 0 <= number < self._length:
            raise IndexError(f"row {row} of a table of {self._length} rows")
        return self._row(self._chunks[number // CHUNK_ROWS][number % CHUNK_ROWS])

    def __iter__(self) -> Iterator[FaceRow]:
        for chunk in self._filled():
            yield from map(self._row, chunk)

    def _row(self, record: np.void) -> FaceRow:
        probabilities, signals = (record[name].astype(np.float64) for name in ("probabilities", "signals"))
        readable = not np.isnan(probabilities).any()
        return FaceRow(
            index=int(record["index"]),
            time=float(record["time"]),
            track=int(record["track"]),
            face=Face(
                box=record["box"].copy(),
                score=float(record["score"]),
                points=record["points"].copy(),
                measured=bool(record["measured"]),
            ),
            quality=Quality(
                size=float(record["size"]),
                sharpness=float(record["sharpness"]),
                yaw=float(record["yaw"]),
                reason=self._reasons[int(record["reason"])],
            ),
            probabilities=probabilities if readable else None,
            signals=signals if readable else None,
        )
