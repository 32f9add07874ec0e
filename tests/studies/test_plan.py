"""Tables joined with results: what does not fit is said, what contradicts itself is an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_results import LABELS, shares, write_result

from mien.core.errors import ConfigError, DataError
from mien.studies.collect import collect, tracks_of
from mien.studies.curves import Curves
from mien.studies.films import Columns, Head, read_film, read_head
from mien.studies.plan import Plan, make_plan
from mien.studies.sheets import WHOLE_FILM, Appearance, Event, Exclusion

COLUMNS = Columns(tuple(("expression", label) for label in LABELS))


def head(path: str, model: str = "") -> Head:
    return Head(Path("out") / Path(path).stem, Path(path).name, path, 10.0, model, COLUMNS)


HEADS = [head("films/ann.mp4"), head("films/bob.mp4"), head("films/rest.mp4")]
PEOPLE = [Appearance("ann.mp4", "ann", line=2), Appearance("bob", "bob", line=3)]


def said(plan: Plan) -> str:
    return "\n".join(map(str, plan.notes))


def test_films_are_known_by_path_name_stem_or_folder() -> None:
    twins = [head("a/talk.mp4"), Head(Path("out/talk-2"), "talk.mp4", "b/talk.mp4", 10.0, "", COLUMNS)]
    plan = make_plan(twins, [Appearance("b/talk.mp4", "bob"), Appearance("a/talk.mp4", "ann")])
    assert [(one.folder.name, rows[0].person) for one, rows in plan.films] == [("talk-2", "bob"), ("talk", "ann")]
    assert make_plan(twins, [Appearance("talk-2", "bob")]).films[0][0].folder.name == "talk-2"
    with pytest.raises(DataError, match=r"row 5.*fits"):
        make_plan(twins, [Appearance("talk.mp4", "ann", line=5)])


def test_without_people_every_film_is_somebody() -> None:
    plan = make_plan(HEADS, None)
    assert [rows[0].person for _, rows in plan.films] == ["ann", "bob", "rest"]
    assert plan.notes == []


def test_nothing_is_dropped_silently() -> None:
    events = [Event("an.mp4", 1, 1, "joke", line=2), Event("rest.mp4", 1, 1, "joke", line=3)]
    events += [Event("ann.mp4", 1, 1, "joke", "cyd", line=4), Event("", 1, 1, "joke", line=5)]
    plan = make_plan(
        *(HEADS, [*PEOPLE, Appearance("cyd.mp4", "cyd", line=4)], events),
        [Exclusion("gone.mp4", (0, 1), "talking", line=2), Exclusion("ann.mp4", (0, 1), "talking", line=3)],
    )
    assert "films: rest.mp4: nobody in people.csv is in it" in said(plan)
    assert "people.csv, row 4: cyd.mp4, cyd: there is no result" in said(plan)
    assert "events.csv, row 2: an.mp4: there is no result of that film; did you mean ann.mp4?" in said(plan)
    assert "events.csv, row 3: rest.mp4: nobody of the study" in said(plan)
    assert "events.csv, row 4: ann.mp4, cyd: nobody of that name" in said(plan)
    assert "exclude.csv, row 2: gone.mp4" in said(plan)
    assert {folder.name: len(those) for folder, those in plan.events.items()} == {"ann": 1, "bob": 1}
    assert [row.person for row in plan.lost] == ["cyd"]


def test_results_of_two_models_are_said() -> None:
    assert "different weights" in said(make_plan([head("ann.mp4", "a"), head("bob.mp4", "b")], PEOPLE))


def test_whose_rest_is_where() -> None:
    rows = [*PEOPLE, Appearance("ann.mp4", "eve", tracks=(2,), baseline=(1.0, 2.0), line=4)]
    rows[0] = Appearance("ann.mp4", "ann", tracks=(1,), line=2)
    plan = make_plan(HEADS, rows, baseline=(0.0, 5.0))
    rest = {folder.name: [(row.person, stretch) for row, stretch in those] for folder, those in plan.rest.items()}
    assert rest == {"ann": [("ann", (0.0, 5.0)), ("eve", (1.0, 2.0))], "bob": [("bob", (0.0, 5.0))]}
    plan = make_plan(HEADS, [PEOPLE[0]], baseline_file="rest.mp4")
    assert [(row.person, row.tracks, stretch) for row, stretch in plan.rest[Path("out/rest")]] == [("ann", (), None)]
    assert "rest.mp4" not in said(plan), "it is in use"
    with pytest.raises(ConfigError, match="for 2 people"):
        make_plan(HEADS, PEOPLE, baseline_file="rest.mp4")
    plan = make_plan(HEADS, PEOPLE, baseline_file="{person}-rest.mp4")
    assert said(plan).count("no result of the baseline film") == 2


def test_what_contradicts_itself_is_an_error() -> None:
    with pytest.raises(DataError, match="none; the first is"):
        make_plan(HEADS, [Appearance("x.mp4", "x")])
    with pytest.raises(DataError, match="row 3: none for eve"):
        make_plan(HEADS, [Appearance("ann.mp4", "ann", tracks=(1,), line=2), Appearance("ann.mp4", "eve", line=3)])
    with pytest.raises(ConfigError, match="at least one result"):
        make_plan([], PEOPLE)


def test_whose_face_it_is(tmp_path: Path) -> None:
    levels = shares([0.2] * 6)
    back = read_film(read_head(write_result(tmp_path / "back", levels, track=[1, 1, 1, 4, 4, 4])))
    assert tracks_of(back, Appearance("back", "ann")) == (
        (1, 4),
        "2 faces, never two at once, are taken for one person",
    )
    times, track = [0, 0, 0.1, 0.1, 0.2, 0.3], [1, 2, 1, 2, 2, 2]
    two = read_film(read_head(write_result(tmp_path / "two", levels, track=track, times=times)))
    tracks, text = tracks_of(two, Appearance("two", "ann"))
    assert tracks == (2,)
    assert "face 2 of 2, the longest in sight" in text
    assert tracks_of(two, Appearance("two", "ann", tracks=(1,))) == ((1,), "")
    with pytest.raises(DataError, match=r"row 7: 3; two\.mp4 has 1, 2"):
        tracks_of(two, Appearance("two", "ann", tracks=(3,), line=7))


def test_events_beyond_the_film_and_faceless_films_are_said(tmp_path: Path) -> None:
    write_result(tmp_path / "ann", shares([0.2] * 20))
    write_result(tmp_path / "bob", np.zeros((0, 3)), duration=2.0)
    heads = [read_head(tmp_path / name) for name in ("ann", "bob")]
    people = [Appearance("ann.mp4", "ann", offset=1.0, line=2), Appearance("bob.mp4", "bob", line=3)]
    events = [
        Event("ann.mp4", onset, 0.5, "joke", line=line) for line, onset in ((2, 0.0), (3, 0.8), (4, 1.5), (5, -2))
    ]
    plan = make_plan(heads, people, events)
    found = collect(plan, Curves(plan.columns, np.array([0.0, 0.5])), (0.0, 0.5))
    assert [(t.trial_type, t.number, t.onset) for t in found.trials if t.appearance.person == "ann"] == [
        (WHOLE_FILM, 0, 0.0),
        ("joke", 2, pytest.approx(1.0)),
        ("joke", 3, pytest.approx(1.8)),
    ]
    assert "row 3: ann.mp4, ann: lasts 0.30 s beyond the film's end" in said(plan)
    assert "row 4: ann.mp4, ann: begins at 2.5 s, after the film's end at 2.00 s" in said(plan)
    assert "row 5: ann.mp4, ann: begins at -1 s, before the film's beginning" in said(plan)
    assert "bob.mp4, bob: no face was found" in said(plan)
    assert [(one.readable, one.text) for one in found.quality][1] == (0.0, "no face was found")


@pytest.mark.parametrize(("seconds", "said_so"), [(0.9, True), (1.0, False)])
def test_rest_of_less_than_a_second_is_doubtful(tmp_path: Path, seconds: float, said_so: bool) -> None:
    """As docs/study.md says; only what could be read counts."""
    values = shares([0.1] * 40)
    values[:10] = np.nan
    plan = make_plan([read_head(write_result(tmp_path / "ann", values))], None, baseline=(0.0, 1.0 + seconds))
    collect(plan, Curves(plan.columns, np.arange(4.0)), (0.0, 3.0))
    assert ("could be read at rest: corrected columns are doubtful" in said(plan)) == said_so
