from __future__ import annotations

import numpy as np
import pytest

from mien.core.table import CHUNK_ROWS, FaceTable
from mien.core.types import Face, FaceRow, Quality


def row(index: int, track: int = 1, probabilities: list[float] | None = None, reason: str | None = None) -> FaceRow:
    face = Face(np.array([1, 2, 31, 42], np.float32), 0.75, np.arange(10, dtype=np.float32).reshape(5, 2), False)
    values = None if probabilities is None else np.array(probabilities)
    return FaceRow(index, index / 30, track, face, Quality(30.0, 120.5, -12.25, reason), values)


def test_a_row_comes_back_as_it_went_in() -> None:
    table = FaceTable(3)
    assert table.append(row(7, 2, [0.5, 0.25, 0.25])) == 0
    back = table[0]
    assert (back.index, back.time, back.track) == (7, 7 / 30, 2)
    assert back.quality == Quality(30.0, 120.5, -12.25, None)
    assert (back.face.score, back.face.measured) == (0.75, False)
    np.testing.assert_array_equal(back.face.box, [1, 2, 31, 42])
    np.testing.assert_array_equal(back.face.points, np.arange(10).reshape(5, 2))
    assert back.probabilities is not None
    np.testing.assert_allclose(back.probabilities, [0.5, 0.25, 0.25])


def test_abstained_rows_have_no_probabilities_and_their_reason() -> None:
    table = FaceTable(2)
    table.append(row(0, reason="blurred"))
    table.append(row(1))
    table.append(row(2, reason="blurred"))
    assert [one.probabilities for one in table] == [None, None, None]
    assert [one.quality.reason for one in table] == ["blurred", None, "blurred"]
    assert table.reasons == (None, "blurred")
    assert np.isnan(table.column("probabilities")).all()


def test_rows_cross_chunk_borders_and_take_probabilities_there() -> None:
    table = FaceTable(2)
    total = 2 * CHUNK_ROWS + 5
    for index in range(total):
        table.append(row(index))
    chosen = np.array([0, CHUNK_ROWS - 1, CHUNK_ROWS, total - 1])
    table.set_probabilities(chosen, np.stack([chosen, 1.0 - chosen], axis=1))
    assert len(table) == total
    np.testing.assert_array_equal(table.column("index"), np.arange(total))
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(table.column("probabilities")[:, 0])), chosen)
    np.testing.assert_array_equal(table.column("probabilities")[chosen, 0], chosen)


def test_sorting_orders_by_frame_then_track() -> None:
    table = FaceTable(1)
    for index, track in [(2, 1), (0, 2), (2, 3), (0, 1), (1, 2)]:
        table.append(row(index, track, [float(10 * index + track)]))
    table.sort()
    assert [(one.index, one.track) for one in table] == [(0, 1), (0, 2), (1, 2), (2, 1), (2, 3)]
    np.testing.assert_array_equal(table.column("probabilities")[:, 0], [1, 2, 12, 21, 23])
    assert table.append(row(9)) == 5


def test_eight_classes_take_no_more_than_150_bytes() -> None:
    assert FaceTable(8).row_bytes <= 150


def test_an_empty_table_has_empty_columns_of_the_right_shape() -> None:
    table = FaceTable(4)
    table.sort()
    assert list(table) == []
    assert table.column("box").shape == (0, 4)
    assert table.column("probabilities").shape == (0, 4)


def test_strangers_are_refused() -> None:
    table = FaceTable(1)
    table.append(row(0))
    with pytest.raises(KeyError, match="columns are index, time"):
        table.column("colour")
    with pytest.raises(IndexError):
        table[1]
    with pytest.raises(IndexError):
        table.set_probabilities(np.array([1]), np.array([[0.5]]))
