"""Coders who differ in known ways get the figures that follow from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from films_of_labels import result_of

from mien.agreement.codes import Codes, Stretch
from mien.agreement.compare import Comparing, compare
from mien.agreement.matching import Found
from mien.cli.main import main
from mien.core.errors import ConfigError, DataError
from mien.core.types import Span
from mien.report.edited import edited
from mien.report.edits import parse_edits


def coded(
    *parts: tuple[float, float, str], name: str = "ann", person: str = "", film: str = "talk.mp4"
) -> tuple[str, Codes]:
    stretches = tuple(Stretch(start, end, label, person, film) for start, end, label in parts)
    return name, Codes(Path(f"{name}.csv"), stretches)


ANN = coded((0, 4, "neutral"), (4.3, 9, "happy"), (9, 20, "neutral"))
BO = coded((0, 6, "neutral"), (6, 8, "joy"), (8, 20, "neutral"), name="bo")


def test_a_model_and_two_coders(found: list[Found]) -> None:
    told = compare(found, [ANN, BO], Comparing()).to_dict()
    assert told["raters"] == ["mien", "ann", "bo"]
    ann, bo, both = told["pairs"]
    assert (ann["raters"], ann["seconds"]) == (["mien", "ann"], 17.7)  # 2 s unclear, 0.3 s without a code
    assert ann["agreement"]["value"] == 1
    assert ann["confusion_seconds"] == [[14.0, 0, 0], [0, 3.7, 0], [0, 0, 0]]
    assert bo["confusion_seconds"] == [[14.0, 0, 0], [2.0, 2.0, 0], [0, 0, 0]]
    assert bo["kappa"]["value"] == pytest.approx(
        (16 / 18 - (14 * 16 + 4 * 2) / 324) / (1 - (14 * 16 + 4 * 2) / 324), abs=1e-4
    )
    happy = ann["classes"]["happiness"]
    assert (happy["event_f1"]["value"], happy["events_paired"]) == (1, 1)  # 0.3 s apart
    assert bo["classes"]["happiness"]["event_f1"]["value"] == 0  # 2 s apart
    assert bo["classes"]["happiness"]["f1"]["value"] == pytest.approx(2 * 2 / (4 + 2), abs=1e-4)
    assert both["confusion_seconds"][1][0] == pytest.approx(2.7)
    assert (told["coders"]["raters"], told["everybody"]["raters"]) == (2, 3)
    assert told["units"][0]["answered"] == pytest.approx(0.9)
    assert ann["kappa"]["low"] is None  # one person


def test_the_tolerance_and_the_step_are_what_was_asked_for(found: list[Found]) -> None:
    strict = compare(found, [ANN], Comparing(tolerance=0.2, step=0.05)).to_dict()
    assert strict["pairs"][0]["classes"]["happiness"]["event_f1"]["value"] == 0
    assert strict["pairs"][0]["seconds"] == pytest.approx(17.7)
    assert (strict["step"], strict["tolerance"], strict["coders"]) == (0.05, 0.2, None)
    with pytest.raises(ConfigError, match="moments"):
        compare(found, [coded((0, 900_000, "neutral"))], Comparing(step=0.001))


def test_gaps_can_mean_neutral(found: list[Found]) -> None:
    events = coded((0, 0.1, "neutral"), (4, 8, "happy"), (19.9, 20, "neutral"))
    few = compare(found, [events], Comparing()).to_dict()["pairs"][0]["seconds"]
    full = compare(found, [events], Comparing(gaps="Neutral")).to_dict()["pairs"][0]
    assert (few, full["seconds"], full["agreement"]["value"]) == (pytest.approx(4.2), 18.0, 1)
    with pytest.raises(ConfigError, match="gaps"):
        compare(found, [events], Comparing(gaps="bored"))


def test_a_table_says_what_codes_and_labels_count_as(found: list[Found], tmp_path: Path) -> None:
    codes = coded((0, 4, "flat"), (4, 8, "smile"), (8, 20, "talking"))
    with pytest.raises(DataError, match="'flat', 'smile', 'talking'"):
        compare(found, [codes], Comparing())
    table = tmp_path / "map.csv"
    table.write_text("code,label\nflat,rest\nneutral,rest\nsadness,rest\nsmile,happiness\ntalking,\n")
    told = compare(found, [codes], Comparing(map=table)).to_dict()
    assert (told["labels"], told["pairs"][0]["seconds"]) == (["rest", "happiness"], 8.0)
    table.write_text("code,label\nflat,rest\nsmile,happiness\ntalking,\n")
    with pytest.raises(ConfigError, match="rest"):
        compare(found, [codes], Comparing(map=table))


def test_people_are_matched_by_number_by_table_or_because_they_are_alone(found: list[Found], tmp_path: Path) -> None:
    two = result_of("pair.mp4", (Span(1, 0, 5, "happiness", 0.9), Span(2, 0, 10, "sadness", 0.9)))
    pair = [Found("pair", two)]
    both = [(0.0, 10.0, "sadness")]
    named = compare(pair, [coded(*both, person="Ann", film="")], Comparing())
    assert (named.units[0].track, "seen longest" in named.notes[0]) == (2, True)
    assert compare(pair, [coded(*both, person="person 1", film="pair")], Comparing()).units[0].track == 1
    ann, eve = (coded((0, 5, "sadness"), person=name, film="pair", name="bo")[1] for name in ("Ann", "Eve"))
    with pytest.raises(DataError, match="--people"):
        compare(pair, [("bo", ann), ("bo", eve)], Comparing())
    table = tmp_path / "people.csv"
    table.write_text("file,person,track\npair.mp4,ann,2\n,Eve,1\n")
    told = compare(pair, [("bo", ann), ("bo", eve)], Comparing(people=table))
    assert [unit.track for unit in told.units] == [1, 2]
    assert told.pairs[0].alike.value == 0.5
    assert told.pairs[0].alike.low < 0.5 < told.pairs[0].alike.high  # two people


def test_a_person_named_alike_in_two_films_is_one_and_a_tiers_name_is_nobodys(found: list[Found]) -> None:
    two = [*found, Found("other", replace(found[0].result, source=replace(found[0].result.source, name="other.mp4")))]

    def people(person: str, tier: str = "") -> int:
        stretches = (Stretch(0, 5, "neutral", person, f"{film}.mp4", tier=tier) for film in ("talk", "other"))
        return compare(two, [("ann", Codes(Path("ann.csv"), tuple(stretches)))], Comparing()).people

    assert (people("Eve"), people("person 1"), people(""), people("expression", "expression")) == (1, 2, 2, 2)


def test_coders_may_call_the_only_person_as_they_like(found: list[Found]) -> None:
    told = compare(found, [coded((0, 9, "neutral"), person="Eve"), coded((0, 9, "neutral"), name="bo")], Comparing())
    assert [unit.coders for unit in told.units] == [("ann", "bo")]


def test_films_are_matched_by_name_and_the_rest_is_told(found: list[Found]) -> None:
    other = Found("other", result_of("other.mov", (Span(1, 0, 5, "happiness", 0.9),)))
    name, codes = ANN
    mixed = Codes(codes.path, (*codes.stretches, Stretch(0, 1, "happy", "", "lost.mp4")))
    told = compare([*found, other], [(name, mixed)], Comparing())
    assert [unit.film for unit in told.units] == ["talk"]
    assert any("1 code of lost.mp4 left out" in note for note in told.notes)
    assert any("1 film without codes left out: other" in note for note in told.notes)
    with pytest.raises(DataError, match="name the film"):
        compare([*found, other], [coded((0, 1, "happy"), film="lost.mp4")], Comparing())
    alone = compare(found, [coded((0, 5, "neutral"), film="renamed.mp4")], Comparing())
    assert "renamed.mp4 is taken for talk." in alone.notes


def test_files_of_one_film_are_different_coders_and_two_codes_at_once_are_none(found: list[Found]) -> None:
    nameless = [("", ANN[1]), ("", BO[1])]
    assert compare(found, nameless, Comparing()).raters == ("mien", "ann", "bo")
    assert compare(found, nameless[:1], Comparing()).raters == ("mien", "coder")
    doubled = coded((0, 6, "neutral"), (4, 8, "happy"))
    told = compare(found, [doubled], Comparing())
    assert told.to_dict()["pairs"][0]["seconds"] == 6.0
    assert any("2.0 s with two codes at once" in note for note in told.notes)


def test_nothing_in_common_is_said(found: list[Found]) -> None:
    with pytest.raises(DataError, match="same people and times"):
        compare(found, [coded((100, 200, "neutral"))], Comparing())
    nobody = Found("none", replace(result_of("none.mp4", ()), labels=found[0].result.labels))
    with pytest.raises(DataError, match="same people and times"):
        compare([nobody], [coded((0, 5, "neutral"), film="none")], Comparing())


def test_the_command(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, codes in (ANN, BO):
        rows = "".join(f"talk.mp4,{one.start},{one.end},{one.label}\n" for one in codes.stretches)
        (tmp_path / f"{name}.csv").write_text("file,start,end,label\n" + rows)
    files = [f"ann={tmp_path / 'ann.csv'}", str(tmp_path / "bo.csv")]
    assert main(["agree", str(saved), "--codes", *files, "-o", str(tmp_path / "a")]) == 0
    assert "| mien and ann | 17.7 | 1.00 | 1.00 |" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        *("agree.json", "agree.md", "confusion-mien-ann.csv", "confusion-mien-bo.csv", "confusion-ann-bo.csv")
    }
    assert main(["agree", str(saved), "--codes", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "a/agree.json").read_text())
    assert main(["agree", str(saved), "--codes", str(tmp_path / "none.eaf")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_names_and_excluded_stretches_of_edits_hold_for_coders_too(found: list[Found]) -> None:
    content = {
        "format": "mien edits",
        "version": 1,
        "source": {"name": found[0].result.source.name},
        "names": [{"track": found[0].result.spans[0].track, "name": "Anna"}],
        "excluded": [{"start": 0, "end": 6}],
    }
    films = [replace(found[0], result=edited(found[0].result, parse_edits(content)))]
    parts = ((0, 4, "neutral"), (4.3, 9, "happy"), (9, 20, "neutral"))
    told = compare(films, [coded(*parts, person="Anna"), BO], Comparing(gaps="neutral")).to_dict()
    assert [(unit["start"], unit["end"]) for unit in told["units"]] == [(6, 20)]
    assert sum(map(sum, told["pairs"][-1]["confusion_seconds"])) == pytest.approx(14)  # coders, too


TIERS = """<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/>
<TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="4000"/></TIME_ORDER>{}</ANNOTATION_DOCUMENT>"""
TIER = """<TIER TIER_ID="{}"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>{}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"""


@pytest.mark.parametrize("other", ["neutral", "well, hello"], ids=["nobody's face", "no expression"])
def test_a_file_of_elan_without_film_and_participants_is_told_of_tiers(
    found: list[Found], saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    """An error in which the next step is to be seen, and which goes once it is done."""
    result_of("pair.mp4", (Span(1, 0, 5, "neutral", 0.9), Span(2, 0, 4, "neutral", 0.9))).save(saved / "pair")
    codes = tmp_path / "ann.eaf"
    codes.write_text(TIERS.format(TIER.format("emotion", "neutral") + TIER.format("speech", other)))
    assert main(["agree", str(saved), "--codes", str(codes)]) == 1
    assert "link the film in the codes' file, or call that file as the film" in capsys.readouterr().err
    codes = codes.rename(tmp_path / "pair.eaf")
    assert main(["agree", str(saved), "--codes", str(codes)]) == 1
    assert "keep those that code expressions: --tiers with some of 'emotion' 'speech'" in capsys.readouterr().err
    assert main(["agree", str(saved), "--codes", str(codes), "--tiers", "emotion"]) == 0
