"""people.csv, events.csv and exclude.csv: what they mean, and that a bad cell is named by its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.core.errors import ConfigError, DataError
from mien.studies.settings import StudySettings
from mien.studies.sheets import WHOLE_FILM, Event, read_events, read_exclusions, read_people, read_range


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "table.csv"
        path.write_text(text, "utf-8")
        return path

    return write


def test_people_have_films_conditions_faces_and_whatever_else(table) -> None:
    one, two = read_people(
        table(
            "file,participant_id,condition,track,offset,baseline_start,baseline_end,age\n"
            "a.mp4,ann,calm,1;4,0.5,0,10,31\n"
            "b.mp4,bob,,,,n/a,n/a,\n"
        )
    )
    assert (one.file, one.person, one.condition, one.tracks, one.offset) == ("a.mp4", "ann", "calm", (1, 4), 0.5)
    assert (one.baseline, one.more, one.line) == ((0.0, 10.0), {"age": "31"}, 2)
    assert (two.condition, two.tracks, two.offset, two.baseline) == ("all", (), 0.0, None)


def test_events_in_the_words_of_bids(table) -> None:
    path = table("onset,duration,trial_type,file\n1.5,2,joke,a.mp4\n3,n/a,n/a,*\n")
    assert read_events(path) == [Event("a.mp4", 1.5, 2.0, "joke", "", 2), Event("", 3.0, 0.0, "event", "", 3)]


def test_exclusions_have_a_reason(table) -> None:
    (one,) = read_exclusions(table("film,start,end,reason\na.mp4,1,2.5,talking\n"))
    assert (one.file, one.stretch, one.reason) == ("a.mp4", (1.0, 2.5), "talking")


BAD = [
    (read_people, "file,condition\na,b\n", "person"),
    (read_people, "file,person\n,ann\n", "row 2: none"),
    (read_people, "file,person\na.mp4,ann\na.mp4,ann\n", "row 3, as row 2"),
    (read_people, "file,person,track\na.mp4,ann,left\n", "row 2: 'left'"),
    (read_people, "file,person,offset\na.mp4,ann,soon\n", "row 2: 'soon'"),
    (read_people, "file,person,baseline_start\na.mp4,ann,1\n", "one of them"),
    (read_people, "file,person,baseline_start,baseline_end\na.mp4,ann,3,3\n", "row 2: 3 to 3"),
    (read_people, "file,person\n", "without any"),
    (read_people, "", "empty"),
    (read_events, "file,onset,duration\na.mp4,,1\n", "row 2: ''"),
    (read_events, "file,onset,duration\na.mp4,nan,1\n", "row 2: 'nan'"),
    (read_events, "file,onset,duration\na.mp4,1,-1\n", "row 2: -1"),
    (read_events, f"file,onset,duration,trial_type\na.mp4,1,1,{WHOLE_FILM}\n", "row 2"),
    (read_events, "file,onset\na.mp4,1\n", "duration"),
    (read_exclusions, "file,start,end\na.mp4,5,2\n", "row 2: 5 to 2"),
    (read_exclusions, "file,start,end\na.mp4,5,2,7,8\n", "row 2"),
]


@pytest.mark.parametrize(("read", "text", "said"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_what_cannot_be_used_is_named(table, read, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read(table(text))
    assert said in str(caught.value)
    assert all((caught.value.expected, caught.value.got, caught.value.fix))


def test_seconds_from_to() -> None:
    assert read_range("0-10") == (0.0, 10.0)
    assert read_range(" 2.5 - 12 ") == (2.5, 12.0)
    for text in ("10-0", "5", "-1-5", "a-b", "3-3"):
        with pytest.raises(DataError):
            read_range(text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bin": 0.0}, "bin"),
        ({"window": (5.0, 1.0)}, "window"),
        ({"window": (-5.0, -1.0)}, "window"),
        ({"measures": ("median",)}, "'median'"),
        ({"formats": ("gif",)}, "'gif'"),
        ({"baseline": "0-5", "baseline_file": "a.mp4"}, "both"),
    ],
)
def test_settings_out_of_range(wrong, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StudySettings(**wrong)
