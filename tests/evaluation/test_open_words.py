"""Free words against free words: cases reckoned by hand, and a table that says what it should."""

import json
from pathlib import Path

import pytest

from mien.cli.main import main
from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES, canonical
from mien.evaluation.open_words import at, load_words, measure_words, table


def sets(**words: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(filter(None, said.split())) for name, said in words.items()}


def test_sets_are_compared_on_three_levels_by_hand() -> None:
    true = sets(a="happy excited", b="angry", c="sad bored", d="zesty")
    said = sets(a="joyful", b="angry irritated", c="melancholy", d="zesty jolted")
    report = measure_words(true, said)
    # As written: a 0, 0; b 1 of 2, 1 of 1; c 0, 0; d 1 of 2, 1 of 1.
    precision, recall, f = report.figures["words"]
    assert (precision, recall) == (0.25, 0.5)
    assert f.value == pytest.approx(2 * 0.25 * 0.5 / 0.75)
    # Joyful and happy are joy, melancholy is gloom, irritated is annoyance.
    precision, recall, f = report.figures["groups"]
    assert (precision, recall) == ((1 + 0.5 + 0 + 0.5) / 4, (0.5 + 1 + 0 + 1) / 4)
    # Happy and excited are one class, and so are angry and irritated: sets, not lists.
    precision, recall, f = report.figures["classes"]
    assert (precision, recall) == ((1 + 1 + 1 + 0.5) / 4, (1 + 1 + 0.5 + 1) / 4)
    assert f.value == pytest.approx(0.875)
    assert f.low <= f.value <= f.high
    assert f.low < f.high
    assert report.unknown == ("jolted", "zesty")


def test_what_is_not_answered_counts_nothing_and_what_is_not_asked_is_left_out() -> None:
    report = measure_words(sets(a="happy", b="sad", c=""), sets(a="happy", x="angry"))
    assert (report.items, report.unanswered, report.elsewhere) == (2, 1, 1)
    assert report.figures["classes"][:2] == (0.5, 0.5)
    nothing = measure_words(sets(a="happy"), {})
    assert nothing.figures["classes"][2] == (0, 0, 0)


def test_every_word_has_one_place_and_the_eight_classes_are_there() -> None:
    for word, (same, group, of) in table().items():
        assert same == word == word.lower().strip()
        assert group
        assert of
    places = {group: of for _, group, of in table().values()}
    assert all(places[group] == of for _, group, of in table().values()), "a group lies in one class"
    for label in LABEL_SPACES["ferplus"].labels:
        assert at([label], "classes") == {label}
        assert at([canonical(label)], "classes") == {label}
    for word in ("happy", "sad", "angry", "surprised", "disgusted", "fearful", "afraid", "calm", "joy"):
        assert at([word], "classes") == {canonical(word)}, "as mien reads labels elsewhere"


def test_the_command_reads_two_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "truth.csv").write_text('id,words\n1,"Happy; Very  Excited"\n2,sad\n')
    (tmp_path / "answers.csv").write_text("id,label\n1,joy|very excited\n2,Happy\n")
    assert load_words(tmp_path / "truth.csv")["1"] == {"happy", "very excited"}
    tables = ["--open-words", str(tmp_path / "truth.csv"), str(tmp_path / "answers.csv")]
    assert main(["evaluate", *tables, "--json", "-o", str(tmp_path / "out")]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["levels"]["words"]["precision"] == body["levels"]["words"]["recall"] == 0.25
    assert body["levels"]["groups"]["f"]["value"] == 0.5
    assert body["unknown_words"] == ["very excited"]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == body
    assert "| classes | 50.0 % | 50.0 % |" in (tmp_path / "out" / "report.md").read_text()
    assert main(["evaluate", "s2d-small", *tables]) == 1
    assert "--open-words alone" in capsys.readouterr().err


def test_tables_that_say_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same names"):
        measure_words(sets(a="happy"), sets(b="happy"))
    with pytest.raises(DataError, match="with words"):
        measure_words(sets(a=""), sets(a="happy"))
    (tmp_path / "twice.csv").write_text("id,words\na,sad\na,happy\n")
    with pytest.raises(DataError, match="line 3"):
        load_words(tmp_path / "twice.csv")
    (tmp_path / "bare.csv").write_text("id,mood\na,sad\n")
    with pytest.raises(DataError, match="words"):
        load_words(tmp_path / "bare.csv")
