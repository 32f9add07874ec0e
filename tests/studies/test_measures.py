"""What a person shows in a stretch: every measure beside a case done by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_results import LABELS, shares, write_result

from mien.core.errors import ConfigError, DataError
from mien.studies.course import course_of
from mien.studies.curves import Curves, band_of
from mien.studies.films import Columns, demand_alike, read_film, read_head
from mien.studies.measures import measure, together
from mien.studies.sheets import Exclusion

HAPPY = LABELS.index("happiness")


def film_of(folder: Path, values: np.ndarray, **how):
    return read_film(read_head(write_result(folder, values, **how)))


@pytest.fixture
def film(tmp_path: Path):
    """Ten frames of 0.1 s from 2.0 s on: happy in the frames 4 to 6 and 8, unreadable in frame 7."""
    values = shares([0.1, 0.1, 0.2, 0.1, 0.7, 0.9, 0.8, np.nan, 0.6, 0.1])
    return film_of(tmp_path / "a", values, start=2.0)


def test_a_film_is_read_as_it_was_written(film) -> None:
    assert (film.name, film.start, film.end, film.step) == ("a.mp4", 2.0, pytest.approx(3.0), pytest.approx(0.1))
    assert film.shown.tolist() == [0, 0, 0, 0, 1, 1, 1, -1, 1, 0]
    assert film.reasons[7] == "turned away"
    assert film.columns.labels == LABELS
    np.testing.assert_allclose(film.values[:2, HAPPY], 0.1)


def test_measures_of_the_whole_by_hand(film) -> None:
    found = measure(course_of(film, [1]), film.columns, film.start, film.end)
    assert (found.seconds, found.readable) == (pytest.approx(1.0), pytest.approx(0.9))
    assert found.readable_share == pytest.approx(0.9)
    happy = {name: row[HAPPY] for name, row in found.values.items()}
    assert happy["share"] == pytest.approx(0.4 / 0.9)
    assert happy["count"] == 2, "what is unreadable in between cut the span in two"
    assert happy["mean"] == pytest.approx(3.6 / 9)
    assert (happy["min"], happy["max"]) == (pytest.approx(0.1), pytest.approx(0.9))
    assert happy["area"] == pytest.approx(0.36)
    assert (happy["time_to_first"], happy["time_to_peak"]) == (pytest.approx(0.4), pytest.approx(0.5))
    sad = {name: row[LABELS.index("sadness")] for name, row in found.values.items()}
    assert (sad["share"], sad["count"]) == (0.0, 0)
    assert np.isnan(sad["time_to_first"])


def test_a_stretch_begins_and_ends_within_frames(film) -> None:
    found = measure(course_of(film, [1]), film.columns, 2.45, 2.65)
    happy = {name: row[HAPPY] for name, row in found.values.items()}
    assert (found.seconds, found.readable) == (pytest.approx(0.2), pytest.approx(0.2))
    assert happy["mean"] == pytest.approx((0.05 * 0.7 + 0.1 * 0.9 + 0.05 * 0.8) / 0.2)
    assert (happy["time_to_first"], happy["time_to_peak"], happy["count"]) == (0.0, pytest.approx(0.05), 1)


def test_beyond_the_film_there_is_nothing(film) -> None:
    found = measure(course_of(film, [1]), film.columns, 2.9, 5.0)
    assert (found.seconds, found.readable) == (pytest.approx(0.1), pytest.approx(0.1))
    nothing = measure(course_of(film, [9]), film.columns, film.start, film.end)
    assert (nothing.readable, np.isnan(nothing.values["mean"]).all()) == (0.0, True)


def test_what_is_excluded_counts_for_nothing(film) -> None:
    course = course_of(film, [1], [Exclusion("a.mp4", (2.4, 2.7), "talking")])
    found = measure(course, film.columns, film.start, film.end)
    assert (found.readable, found.values["count"][HAPPY]) == (pytest.approx(0.6), 1)
    assert found.values["max"][HAPPY] == pytest.approx(0.6)


def test_stretches_together_weigh_by_readable_time(film) -> None:
    course = course_of(film, [1])
    one, two = (measure(course, film.columns, *ends) for ends in ((2.0, 2.4), (2.4, 3.0)))
    both = together([one, two])
    whole = measure(course, film.columns, 2.0, 3.0)
    for name in ("mean", "share", "count"):
        np.testing.assert_allclose(both.values[name], whole.values[name], err_msg=name)
    assert both.values["max"][HAPPY] == pytest.approx((0.2 + 0.9) / 2)
    assert both.values["time_to_first"][HAPPY] == pytest.approx(0.0), "of the stretch in which it came"
    assert (both.windows, both.readable) == (2, pytest.approx(0.9))


def test_bins_hold_the_integral_of_a_step_function(film) -> None:
    course = course_of(film, [1])
    edges = np.array([1.5, 2.05, 2.45, 2.75, 2.85, 4.0])
    found = course.between(course.sums(course.values), edges)[:, HAPPY]
    by_hand = [0.05 * 0.1, 0.005 + 0.01 + 0.02 + 0.01 + 0.035, 0.035 + 0.09 + 0.08, 0.05 * 0.6, 0.03 + 0.01]
    np.testing.assert_allclose(found, by_hand)


def test_a_curve_is_over_trials_then_over_people(tmp_path: Path) -> None:
    curves = Curves(Columns(tuple(("expression", label) for label in LABELS)), np.array([-0.5, 0.0, 0.5]))
    levels = {"ann": (0.2, 0.6), "bob": (0.4, 0.8), "cyd": (0.0, 0.1)}
    for person, (before, after) in levels.items():
        values = shares(np.repeat([before, after, before, after], 10))
        course = course_of(film_of(tmp_path / person, values), [1])
        for onset in (1.0, 3.0):
            curves.add(("all", "joke"), person, course, onset)
    band = band_of(curves.people["all", "joke"], curves.columns)
    assert band is not None
    np.testing.assert_allclose(band.mean[:, HAPPY], [0.2, 0.5])
    assert band.n[:, HAPPY].tolist() == [3.0, 3.0]
    np.testing.assert_allclose(band.showing[:, HAPPY], [0, 2 / 3])
    assert (band.high - band.mean)[0, HAPPY] == pytest.approx(4.302653 * 0.2 / np.sqrt(3))
    assert curves.people["all", "joke"]["ann"].trials == 2


def test_a_hole_in_sight_is_no_reading(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 2.0, 2.1]
    film = film_of(tmp_path / "a", shares([0.5] * 5), times=times, duration=2.2)
    course = course_of(film, [1])
    assert measure(course, film.columns, 0.0, 2.2).readable == pytest.approx(0.5)
    assert measure(course, film.columns, 0.5, 1.5).readable == 0.0


def test_signals_beside_the_expressions(tmp_path: Path) -> None:
    valence = np.linspace(-1, 1, 5)
    film = film_of(
        tmp_path / "a", shares([0.5] * 5), signals={"affect.valence": valence, "affect.arousal": valence * 0}
    )
    assert film.columns.names[3:] == (("affect", "valence"), ("affect", "arousal"))
    assert film.columns.kind("affect") == "scale"
    found = measure(course_of(film, [1]), film.columns, 0.0, 0.5)
    assert (found.values["mean"][3], found.values["min"][3], found.values["max"][3]) == (pytest.approx(0.0), -1, 1)
    assert np.isnan(found.values["share"][3:]).all()


def test_a_table_with_quotation_marks_is_read_the_slow_way(tmp_path: Path) -> None:
    folder = write_result(tmp_path / "a", shares([0.5, 0.9]))
    table = folder / "frames.csv"
    plain = read_film(read_head(folder))
    table.write_text(table.read_text().replace("neutral,0", '"neutral",0'))
    quoted = read_film(read_head(folder))
    np.testing.assert_array_equal(plain.values, quoted.values)
    assert plain.shown.tolist() == quoted.shown.tolist()


def test_a_torn_table_is_named_by_its_row(tmp_path: Path) -> None:
    folder = write_result(tmp_path / "a", shares([0.5, 0.9]))
    table = folder / "frames.csv"
    table.write_text(table.read_text() + "1,2\n")
    with pytest.raises(DataError, match="row 4"):
        read_film(read_head(folder))
    table.write_text(table.read_text().replace("1,2\n", "").replace("0.9000", "much"))
    with pytest.raises(DataError, match="much"):
        read_film(read_head(folder))
    (folder / "result.json").write_text("{}")
    with pytest.raises(DataError, match=r"result\.json"):
        read_head(folder)


def test_results_of_other_labels_are_not_mixed(tmp_path: Path) -> None:
    write_result(tmp_path / "a", shares([0.5]))
    write_result(tmp_path / "b", shares([0.5]), signals={"affect.valence": np.zeros(1)})
    with pytest.raises(ConfigError, match="same model"):
        demand_alike([read_head(tmp_path / name) for name in "ab"])


def test_a_film_without_a_face_has_no_rows(tmp_path: Path) -> None:
    film = film_of(tmp_path / "a", np.zeros((0, 3)), duration=5.0)
    assert (len(film.times), film.end) == (0, 5.0)
    found = measure(course_of(film, []), film.columns, 0.0, 5.0)
    assert (found.seconds, found.readable) == (5.0, 0.0)
