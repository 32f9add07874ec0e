from __future__ import annotations

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.types import Frame
from mien.faces.given import POINT_COLUMNS, GivenBoxes

PICTURE = np.zeros((200, 200, 3), np.uint8)


def test_a_csv_gives_the_boxes_of_each_frame(tmp_path):
    table = tmp_path / "boxes.csv"
    table.write_text("\ufeffindex,note,x0,y0,x1,y1,score\n0,a,10,20,50,70,0.8\n2,b,1,2,30,40,\n2,c,60,60,90,99,1\n")
    given = GivenBoxes(table)
    (first,) = given.detect_frame(Frame(0, 0.0, PICTURE))
    assert first.box.tolist() == [10, 20, 50, 70]
    assert first.score == pytest.approx(0.8)
    assert first.points[0, 0] < first.points[1, 0], "points are placed where none are given"
    assert given.detect_frame(Frame(1, 0.1, PICTURE)) == []
    assert len(given.detect_frame(Frame(2, 0.2, PICTURE))) == 2
    assert len(given.detect(PICTURE)) == 1, "a single picture is frame 0"


def test_points_of_the_csv_are_taken(tmp_path):
    table = tmp_path / "boxes.csv"
    points = [15, 30, 40, 31, 28, 45, 18, 60, 39, 61]
    table.write_text(
        f"frame,x0,y0,x1,y1,{','.join(POINT_COLUMNS)}\n3,10,20,50,70,{','.join(map(str, points))}\n", encoding="utf-8"
    )
    (found,) = GivenBoxes(table).detect_frame(Frame(3, 0.0, PICTURE))
    assert found.points.ravel().tolist() == points


def test_a_mapping_gives_boxes_with_and_without_points():
    rows = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0, *map(float, range(10))]]
    plain, pointed = GivenBoxes(boxes={0: rows}).detect(PICTURE)
    assert plain.box.tolist() == pointed.box.tolist()
    assert pointed.points.ravel().tolist() == list(range(10))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("index,x0,y0,x1\n0,1,2,3\n", "y1"),
        ("index,x0,y0,x1,y1\n0,1,2,3,4\n1,5,5,2,9\n", "line 3"),
        ("index,x0,y0,x1,y1\n0,1,two,3,4\n", "line 2"),
        ("index,x0,y0,x1,y1\n0,1,2\n", "line 2"),
        ("index,x0,y0,x1,y1\n0,1,2,nan,4\n", "finite"),
        ("", "index"),
    ],
)
def test_a_bad_csv_is_told_by_line_or_column(tmp_path, text, told):
    table = tmp_path / "bad.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=told):
        GivenBoxes(table)


def test_no_file_and_no_choice_are_told(tmp_path):
    with pytest.raises(DataError, match=r"absent\.csv"):
        GivenBoxes(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="one of the two"):
        GivenBoxes()
