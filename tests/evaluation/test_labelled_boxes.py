"""Mean average precision of labelled boxes, by hand."""

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.evaluation.boxes import (
    THRESHOLDS,
    LabelledBoxes,
    average_precision,
    load_boxes,
    measure_boxes,
    overlap,
)

FACE = (0.0, 0.0, 10.0, 10.0)


def boxes(*rows: tuple[str, tuple[float, ...], str, float]) -> LabelledBoxes:
    images, corners, labels, scores = zip(*rows, strict=True) if rows else ((), (), (), ())
    return LabelledBoxes(images, np.array(corners, float).reshape(-1, 4), labels, np.array(scores, float))


def moved(by: float) -> tuple[float, ...]:
    """FACE moved so that it overlaps FACE by (10 - by) / (10 + by)."""
    return (by, 0.0, 10.0 + by, 10.0)


def test_overlap_is_shared_area_over_all_area() -> None:
    others = np.array([FACE, (5, 0, 15, 10), (5, 5, 15, 15), (10, 0, 20, 10), (30, 30, 40, 40), (2, 2, 4, 4)], float)
    assert overlap(np.array(FACE), others) == pytest.approx([1, 50 / 150, 25 / 175, 0, 0, 0.04])


def test_right_boxes_give_one_and_none_gives_nought() -> None:
    true = boxes(("a", FACE, "anger", 1), ("b", moved(3), "fear", 1))
    assert (measure_boxes(true, true).map50, measure_boxes(true, true).map) == (1, 1)
    assert (measure_boxes(true, boxes()).map50, measure_boxes(true, boxes()).map) == (0, 0)


def test_average_precision_is_the_area_under_the_curve() -> None:
    """Right, wrong, right, wrong, right of four: precision 1, 2/3, 3/5 at recall 1/4, 2/4, 3/4."""
    true = boxes(*((image, FACE, "anger", 1) for image in "abcd"))
    rows = [("a", 0.9), ("x", 0.8), ("b", 0.7), ("y", 0.6), ("c", 0.5)]
    found = boxes(*((image, FACE, "anger", score) for image, score in reversed(rows)))
    assert average_precision(true, found) == pytest.approx([(1 + 2 / 3 + 3 / 5) / 4] * 10)


def test_precision_never_rises_again_towards_more_recall() -> None:
    """Wrong, right, right of two: precision 1/2 at recall 1/2 counts as the 2/3 that recall 1 has."""
    true = boxes(("a", FACE, "anger", 1), ("b", FACE, "anger", 1))
    found = boxes(("x", FACE, "anger", 0.9), ("a", FACE, "anger", 0.8), ("b", FACE, "anger", 0.7))
    assert average_precision(true, found)[0] == pytest.approx(2 / 3)


def test_a_face_is_found_once() -> None:
    true = boxes(("a", FACE, "anger", 1), ("b", FACE, "anger", 1))
    found = boxes(("a", FACE, "anger", 0.9), ("a", FACE, "anger", 0.8), ("b", FACE, "anger", 0.7))
    assert average_precision(true, found)[0] == pytest.approx((1 + 2 / 3) / 2)


def test_the_surest_box_takes_the_face_it_overlaps_most_and_the_next_another() -> None:
    true = boxes(("a", FACE, "anger", 1), ("a", moved(2), "anger", 1))
    # Both lie nearer to the second face; the less sure one still finds the first.
    found = boxes(("a", moved(2), "anger", 0.9), ("a", moved(1.5), "anger", 0.8))
    assert average_precision(true, found)[0] == 1


def test_thresholds_ask_for_more_and_more_overlap() -> None:
    """Overlap 8.5 / 11.5 = .739: right at .5, .55, .6, .65 and .7."""
    true, found = boxes(("a", FACE, "anger", 1)), boxes(("a", moved(1.5), "anger", 1))
    report = measure_boxes(true, found)
    assert report.precision[0].tolist() == [1.0 * (t <= 0.7) for t in THRESHOLDS]
    assert (report.map50, report.map) == (1, pytest.approx(0.5))
    assert measure_boxes(true, boxes(("a", (0, 0, 10, 5), "anger", 1))).map50 == 1  # just .5 is enough
    assert measure_boxes(true, boxes(("a", (0, 0, 10, 4.9), "anger", 1))).map50 == 0


def test_labels_count_alike_and_a_wrong_label_is_no_find() -> None:
    true = boxes(*((image, FACE, "anger", 1) for image in "abc"), ("d", FACE, "fear", 1))
    found = boxes(*((image, FACE, "anger", 1) for image in "abc"), ("d", FACE, "sadness", 1))
    report = measure_boxes(true, found)
    assert report.labels == ("anger", "fear")
    assert report.precision[:, 0].tolist() == [1, 0]
    assert (report.map50, report.faces[0], report.others) == (0.5, 1, 1)


def test_only_pictures_that_the_truth_names_count(tmp_path: Path) -> None:
    """Of a film one frame in ten may be coded; a coded frame without a face is a row with its number alone."""
    (tmp_path / "truth.csv").write_text("frame,x0,y0,x1,y1,label\n0,0,0,10,10,anger\n10,,,,,\n")
    true = load_boxes(tmp_path / "truth.csv", scored=False)
    assert (len(true), true.empty) == (1, ("10",))
    rows = [("5", FACE, "anger", 0.9), ("10", FACE, "anger", 0.8), ("0", FACE, "anger", 0.7)]
    report = measure_boxes(true, boxes(*rows))
    assert (report.map50, report.faces[0], report.elsewhere) == (0.5, 0.5, 1)
    with pytest.raises(DataError, match="same names"):
        measure_boxes(true, boxes(rows[0]))


def test_what_is_not_measurable_is_refused() -> None:
    with pytest.raises(DataError, match="true box"):
        measure_boxes(boxes(), boxes(("a", FACE, "anger", 1)))
    with pytest.raises(DataError, match="corners"):
        boxes(("a", (0, 0, 10, 0), "anger", 1))
    with pytest.raises(DataError, match="finite"):
        boxes(("a", FACE, "anger", float("nan")))


FRAMES = (
    "frame,time,track,x0,y0,x1,y1,detector_score,label,score,p_happiness,p_anger\n"
    "0,0,1,0,0,10,10,0.9,unclear,,0.6,0.4\n"
    "1,0.1,1,0,0,10,10,0.8,anger,0.7,0.3,0.7\n"
    "2,0.2,1,0,0,10,10,0.8,unclear,,,\n"
)


def test_frames_csv_counts_with_its_likeliest_expression(tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text(FRAMES)
    found = load_boxes(tmp_path / "frames.csv", scored=True)
    assert (found.images, found.labels) == (("0", "1"), ("happiness", "anger"))
    assert found.scores == pytest.approx([0.54, 0.56])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,x0,y0,x1,y1,label\n", "score"),
        ("image,x0,y0,x1,y1,label,score\na,0,0,ten,10,anger,1\n", "line 2"),
        ("image,x0,y0,x1,y1,label,score\na,0,0,10,10,,1\n", "line 2"),
        ("image,x0,y0,x1,y1,label,score\na,0,0,10,10,anger,\n", "line 2"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "found.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        load_boxes(tmp_path / "found.csv", scored=True)
