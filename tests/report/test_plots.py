from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from noise_video import LABELS

import mien
from mien.core.errors import ConfigError, DataError, MissingDependencyError
from mien.core.types import UNCLEAR, Span
from mien.report.plots.analyses import Analysis, read_analyses, read_analysis
from mien.report.plots.confusion import Stretch, answer, confusion, draw_confusion, read_labels
from mien.report.plots.means import draw_means, person_means
from mien.report.plots.style import COLUMN, paper, save
from mien.report.plots.timeline import binned, draw_timeline, shown_labels
from mien.report.plots.transitions import draw_transitions, transitions
from mien.report.result import Result

NAMES = ("neutral", "happiness", "sadness")


def made(
    spans: list[tuple[int, float, float, str]], rows: Sequence[tuple[int, float, list[float]]] = (), name: str = "talk"
) -> Analysis:
    """An analysis of those spans (track, start, end, label) and rows (track, time, probabilities)."""
    whole = tuple(Span(t, start, end, label, 0.8, label == UNCLEAR) for t, start, end, label in spans)
    return Analysis(
        name=name,
        source=f"{name}.mp4",
        labels=NAMES,
        spans=whole,
        duration=max((span.end for span in whole), default=0.0),
        tracks=np.array([row[0] for row in rows], np.int64),
        times=np.array([row[1] for row in rows], np.float64),
        probabilities=np.array([row[2] for row in rows], np.float64).reshape(len(rows), len(NAMES)),
    )


def test_a_result_is_read_back_as_it_was(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "noise")
    (analysis,) = read_analyses([tmp_path])
    assert (analysis.name, analysis.source, analysis.labels) == ("noise", "noise.mp4", LABELS.labels)
    assert analysis.people == [1, 2]
    assert [span.label for span in analysis.spans] == [span.label for span in result.spans]
    np.testing.assert_array_equal(analysis.tracks, result.frames.column("track"))
    np.testing.assert_allclose(analysis.probabilities, result.frames.column("probabilities"), atol=1e-4)
    assert np.isnan(analysis.probabilities).any(), "unreadable faces have no probabilities"


@pytest.mark.parametrize("harm", ["no folder", "no result", "torn", "no frames", "short row"])
def test_what_is_no_result_is_named(result: Result, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "noise"
    if harm != "no folder":
        result.save(folder)
    if harm == "no result":
        (folder / "result.json").unlink()
    if harm == "torn":
        (folder / "result.json").write_text("{")
    if harm == "no frames":
        (folder / "frames.csv").unlink()
    if harm == "short row":
        (folder / "frames.csv").write_text((folder / "frames.csv").read_text() + "1,2\n")
    with pytest.raises(DataError, match="noise"):
        read_analyses([folder])


def test_results_of_different_labels_are_not_mixed(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "a")
    result.save(tmp_path / "b")
    content = json.loads((tmp_path / "b/result.json").read_text())
    content["labels"] = content["labels"][:-1]
    (tmp_path / "b/result.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="plot them apart"):
        read_analyses([tmp_path])


def test_changes_are_counted_where_spans_touch() -> None:
    found = transitions(
        [
            made([(1, 0, 1, "neutral"), (1, 1, 2, "happiness"), (1, 2, 3, "neutral"), (1, 3.0001, 4, "happiness")]),
            made([(1, 0, 1, "neutral"), (2, 0, 1, "sadness"), (2, 1, 2, "neutral")]),
        ]
    )
    assert found.states == NAMES
    assert found.counts.tolist() == [[0, 2, 0], [1, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(found.shares, [[0, 1, 0], [1, 0, 0], [1, 0, 0]])
    assert found.gaps == 0


def test_unclear_is_a_state_and_a_gap_is_no_change() -> None:
    found = transitions(
        [
            made(
                [
                    *((1, 0, 1, "happiness"), (1, 1, 2, UNCLEAR), (1, 2, 3, UNCLEAR), (1, 3, 4, "sadness")),
                    *((1, 6, 7, "happiness"), (1, 7, 8, "neutral")),
                ]
            )
        ]
    )
    places = [found.states.index(state) for state in ("happiness", UNCLEAR, "sadness", "neutral")]
    happy, unclear, sad, neutral = places
    assert found.counts[happy, sad] == 0, "what came between is not known"
    assert found.counts[happy, unclear] == found.counts[unclear, sad] == found.counts[happy, neutral] == 1
    assert found.counts.sum() == 3
    assert found.gaps == 1
    assert np.isnan(found.shares[neutral]).all()


def test_means_are_over_readable_frames_and_say_how_many() -> None:
    rows = [(1, 0.0, [1, 0, 0]), (1, 0.1, [0.5, 0.5, 0]), (1, 0.2, [np.nan] * 3), (2, 0.0, [np.nan] * 3)]
    spans = [(1, 0.0, 0.3, "neutral"), (2, 0.0, 0.1, UNCLEAR)]
    one, two = person_means([made(spans, rows)])
    assert (one.person, one.frames, one.unread) == (1, 2, 1)
    np.testing.assert_allclose(one.means, [0.75, 0.25, 0])
    assert (two.frames, np.isnan(two.means).all()) == (0, True)


def test_probabilities_over_time_stop_where_the_face_does() -> None:
    spans = [(1, 0.0, 1.0, "neutral"), (1, 3.0, 4.0, "sadness")]
    rows = [(1, t, [1, 0, 0]) for t in (0.0, 0.5)] + [(1, 3.0, [0, 0, 1]), (1, 3.5, [np.nan] * 3)]
    talk = made(spans, rows)
    edges, means = binned(talk, 1, talk.probabilities, steps=8)
    assert edges[-1] == 4
    np.testing.assert_array_equal(means[:, 0], [1, 1, *[np.nan] * 4, 0, np.nan])


def test_a_frame_lasts_until_the_next() -> None:
    rows = [(1, t, [1, 0, 0]) for t in (0.0, 0.5)]
    talk = made([(1, 0.0, 1.0, "neutral")], rows)
    _, means = binned(talk, 1, talk.probabilities, steps=100)
    np.testing.assert_array_equal(means[:, 0], 1)


def test_the_legend_names_every_colour_a_reader_sees() -> None:
    rows = [(1, 0.0, [0.5, 0.05, 0.45]), (1, 0.5, [0.9, 0.05, 0.05])]
    assert shown_labels(made([(1, 0, 1, "neutral")], rows)) == ["neutral", "sadness"]


def test_a_stretch_is_answered_by_what_is_shown_for_most_of_it() -> None:
    talk = made([(1, 0, 2, "neutral"), (1, 2, 3, "happiness"), (1, 3, 9, UNCLEAR), (2, 20, 21, "sadness")])
    stretches = [Stretch(talk, a, b, label, None, 0) for a, b, label in ((0, 4, "neutral"), (1.6, 3, "neutral"))]
    assert [answer(stretch) for stretch in stretches] == ["neutral", "happiness"]
    unclear = Stretch(talk, 2, 9, "happiness", None, 0)
    away = Stretch(talk, 10, 12, "sadness", None, 0)
    found = confusion([*stretches, unclear, away], NAMES)
    assert found.counts.tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert found.faceless == 1


def test_two_faces_in_sight_ask_for_a_track() -> None:
    both = made([(1, 0, 2, "neutral"), (2, 1, 3, "sadness")])
    with pytest.raises(DataError, match="line 4: faces 1, 2"):
        answer(Stretch(both, 0, 3, "neutral", None, 4))
    assert answer(Stretch(both, 0, 3, "neutral", 2, 4)) == "sadness"


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, header: str = "source,start,end,label,track") -> Path:
        path = tmp_path / "labels.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


def test_labels_are_read_in_any_spelling(table: Callable[..., Path]) -> None:
    talks = [made([(1, 0, 2, "neutral")]), made([(1, 0, 2, "neutral")], name="walk")]
    found = read_labels(table("talk,0,1,Happy,", "walk.mp4,0.5,2,sad,1"), talks)
    assert [(one.analysis.name, one.label, one.track) for one in found] == [
        ("talk", "happiness", None),
        ("walk", "sadness", 1),
    ]


@pytest.mark.parametrize(
    ("line", "wording"),
    [
        ("talk,0,1,joyful,", "line 2"),
        ("talk,2,1,happy,", "start <= end"),
        ("talk,x,1,happy,", "seconds"),
        ("talk,0,1,happy,left", "number in track"),
        ("tlak,0,1,happy,", "'tlak'"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(table: Callable[..., Path], line: str, wording: str) -> None:
    with pytest.raises(DataError, match=wording):
        read_labels(table(line), [made([(1, 0, 2, "neutral")])])


def test_a_missing_column_or_file_is_named(table: Callable[..., Path], tmp_path: Path) -> None:
    talk = [made([(1, 0, 2, "neutral")])]
    with pytest.raises(DataError, match="no end, label"):
        read_labels(table("talk,1", header="source,start"), talk)
    with pytest.raises(DataError, match="check the path"):
        read_labels(tmp_path / "none.csv", talk)


ROWS = [(1, t / 10, [0.7, 0.2, 0.1]) for t in range(20)]
TALK = made([(1, 0, 1, "neutral"), (1, 1, 2, "happiness"), (2, 0.5, 2, UNCLEAR)], ROWS)
DRAWINGS = {
    "timeline": lambda width: draw_timeline(TALK, width),
    "means": lambda width: draw_means([TALK], width),
    "transitions": lambda width: draw_transitions([TALK], width),
    "confusion": lambda width: draw_confusion([Stretch(TALK, 0, 1, "neutral", 1, 2)], NAMES, width),
    "nobody": lambda width: draw_timeline(made([]), width),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_pictures_fit_the_column_and_are_the_same_every_time(kind: str, tmp_path: Path) -> None:
    with paper():
        for suffix in ("png", "pdf", "svg"):
            one, two = (save(DRAWINGS[kind](COLUMN), tmp_path / f"{place}.{suffix}") for place in "ab")
            assert one.read_bytes() == two.read_bytes(), suffix
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] <= 1050
    assert "CreationDate" not in (tmp_path / "a.pdf").read_bytes().decode("latin-1")


def test_text_stays_text_and_colours_are_those_of_every_picture(tmp_path: Path) -> None:
    with paper():
        drawn = save(DRAWINGS["timeline"](COLUMN), tmp_path / "a.svg").read_text()
    for text in ("face 1", "face 2", "happiness", "unclear", "time, s"):
        assert f">{text}</text>" in drawn
    assert "#f0e442" in drawn, "Okabe and Ito's yellow"


def test_the_look_does_not_leak_into_the_users_matplotlib() -> None:
    import matplotlib

    before = matplotlib.rcParams["svg.fonttype"], matplotlib.rcParams["font.size"]
    with paper():
        pass
    assert (matplotlib.rcParams["svg.fonttype"], matplotlib.rcParams["font.size"]) == before


def test_a_still_has_a_timeline_without_times(tmp_path: Path) -> None:
    still = dataclasses.replace(made([(1, 0, 0, "happiness")], [(1, 0.0, [0.1, 0.8, 0.1])]), duration=0.0)
    _, means = binned(still, 1, still.probabilities)
    assert (means[:, 1] == 0.8).all()
    with paper():
        assert "one picture" in save(draw_timeline(still, COLUMN), tmp_path / "a.svg").read_text()


def test_another_format_is_refused(tmp_path: Path) -> None:
    with paper(), pytest.raises(ConfigError, match="png, pdf, svg"):
        save(DRAWINGS["nobody"](COLUMN), tmp_path / "a.bmp")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"mien\[plots\]"), paper():
        pass


def test_another_schema_is_refused(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path)
    content = json.loads((tmp_path / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps({**content, "schema": 99}))
    with pytest.raises(DataError, match="schema 99"):
        read_analysis(tmp_path)


def test_a_film_without_a_face_has_a_matrix_without_changes(tmp_path: Path) -> None:
    result = mien.load(backend="torch").analyze(np.zeros((48, 64, 3), np.uint8))
    result.save(tmp_path / "nobody")
    found = transitions(read_analyses([tmp_path / "nobody"]))
    assert found.counts.sum() == 0
    draw_transitions(read_analyses([tmp_path / "nobody"]), 3.5).savefig(tmp_path / "none.png")
