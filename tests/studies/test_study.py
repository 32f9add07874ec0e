"""From made results to a folder: tables, pictures, page, paragraph, programs."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_results import LABELS, read_table, shares, write_result

import mien
from mien.cli.main import main
from mien.core.errors import DataError, SourceError
from mien.studies import run

PEOPLE, ONSETS = 4, (4.0, 8.0)
TABLES = {"summary", "summary_wide", "curve", "tests", "quality", "trials", "baseline", "excluded", "notes"}


def write_study(folder: Path) -> Path:
    """Four people in two conditions of twelve seconds: two jokes each, at which a smile of 0.6 comes in ``funny``."""
    rng = np.random.default_rng(0)
    people, events = ["file,person,condition,=age"], ["onset,duration,trial_type"]
    for number in range(PEOPLE):
        for condition in ("calm", "funny"):
            happy = np.full(120, 0.1 + 0.02 * number) + rng.normal(0, 0.005, 120)
            for onset in ONSETS:
                happy[int(onset * 10) : int(onset * 10) + 20] += 0.6 * (condition == "funny")
            values = shares(happy)
            values[:2] = np.nan
            write_result(folder / "out" / f"p{number}-{condition}", values, signals={"affect.valence": happy})
            people.append(f"p{number}-{condition}.mp4,=p{number},{condition},3{number}")
    (folder / "people.csv").write_text("\n".join([*people, "gone.mp4,p9,calm,40"]) + "\n")
    (folder / "events.csv").write_text("\n".join([*events, *(f"{onset},2,joke" for onset in ONSETS), "99,1,late"]))
    (folder / "exclude.csv").write_text("file,start,end,reason\np0-calm.mp4,10,11,talking\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def made(folder: Path) -> mien.studies.run.Study:
    return mien.study(
        folder / "out",
        folder / "study",
        *(folder / f"{name}.csv" for name in ("people", "events", "exclude")),
        mien.StudySettings(baseline="0-4", formats=("svg",)),
    )


def table(made, name: str) -> list[dict[str, str]]:
    return read_table(made.folder / f"{name}.csv")


def test_everything_is_there(made) -> None:
    names = {str(path.relative_to(made.folder)) for path in made.files}
    pictures = {f"pictures/{name}.svg" for name in ("curves", "heatmap", "raster")}
    others = {"methods.md", "study.html", "snippets/model.R", "snippets/model.py"}
    assert names == {f"{name}.csv" for name in TABLES} | pictures | others
    assert all(path.stat().st_size for path in made.files)


def test_the_summary_has_a_row_a_person_condition_and_label(made) -> None:
    rows = table(made, "summary")
    assert len(rows) == PEOPLE * 2 * 2 * (len(LABELS) + 1)
    (one,) = [
        row
        for row in rows
        if (row["person"], row["condition"], row["trial_type"], row["label"]) == ("'=p0", "funny", "joke", "happiness")
    ]
    assert (one["windows"], one["films"], one["readable_share"], one["'=age"]) == ("2", "1", "1", "30")
    assert float(one["share"]) == pytest.approx(1.0)
    assert float(one["mean"]) == pytest.approx(0.7, abs=0.01)
    assert float(one["mean_corrected"]) == pytest.approx(0.6, abs=0.05)
    assert (float(one["time_to_first"]), one["count"]) == (0.0, "2")


def test_tidy_and_wide_say_the_same(made) -> None:
    tidy = {
        (row["person"], row["condition"], row["trial_type"], row["signal"], row["label"]): row
        for row in table(made, "summary")
    }
    for row in table(made, "summary_wide"):
        key = row["person"], row["condition"], row["trial_type"]
        assert row["sadness_max_corrected"] == tidy[*key, "expression", "sadness"]["max_corrected"]
        assert row["affect.valence_mean"] == tidy[*key, "affect", "valence"]["mean"]
        assert "affect.valence_share" not in row


def test_the_planted_smile_is_found(made) -> None:
    rows = [
        row
        for row in table(made, "tests")
        if (row["within"], row["label"], row["measure"], row["score"]) == ("joke", "happiness", "mean", "raw")
    ]
    (one,) = rows
    assert (one["a"], one["b"], one["design"], one["n_a"]) == ("calm", "funny", "paired", "4")
    assert float(one["difference"]) == pytest.approx(-0.6, abs=0.01)
    assert float(one["p"]) == 2 / 16
    curve = [
        row
        for row in table(made, "curve")
        if (row["condition"], row["trial_type"], row["label"]) == ("funny", "joke", "happiness")
    ]
    assert [row["n"] for row in curve] == ["4"] * 30
    up = [float(row["bin_start"]) for row in curve if float(row["bin_start"]) < 3 and float(row["mean"]) > 0.4]
    assert (up[0], up[-1]) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.8))
    assert next(row["showing"] for row in curve if float(row["bin_start"]) > 0.5) == "1"


def test_quality_counts_what_could_not_be_read(made) -> None:
    rows = {row["file"]: row for row in table(made, "quality")}
    calm, gone = rows["p0-calm.mp4"], rows["gone.mp4"]
    assert (calm["turned_away_seconds"], calm["excluded_seconds"]) == ("0.2", "1")
    assert float(calm["readable_share"]) == pytest.approx(10.8 / 12)
    assert (calm["frame_rate"], gone["note"], gone["readable_share"]) == ("10", "no result of this film", "0")
    (out,) = table(made, "excluded")
    assert (out["reason"], out["seconds_removed"], out["row"]) == ("talking", "1", "2")


def test_notes_are_in_the_table_and_in_the_answer(made) -> None:
    notes = "\n".join(made.notes)
    assert "people.csv, row 10: gone.mp4" in notes
    assert notes.count("begins at 99 s, after the film's end") == PEOPLE * 2
    assert len(table(made, "notes")) == len(made.notes)


def test_no_cell_is_run_by_a_spreadsheet(made) -> None:
    for path in made.files:
        if path.suffix == ".csv":
            cells = re.findall(r"(?:^|,)(=[^,\n]*)", path.read_text(), re.MULTILINE)
            assert cells == [], path.name


def test_the_page_asks_nobody_and_shows_all(made) -> None:
    page = (made.folder / "study.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert re.findall(r"https?://", page) == []
    assert page.count("data:image/svg+xml;base64,") == 3
    for part in ("turned away 0.2 s", "gone.mp4", "corrected", "p3", "calm - funny"):
        assert part in page


def test_jupyter_shows_where_it_is_and_the_notes(made) -> None:
    html = made._repr_html_()
    assert f"<strong>{made.folder}</strong>" in html
    assert "snippets/model.R" in html
    assert html.count("<td>") == len(made.notes) > 0
    odd = dataclasses.replace(made, notes=("<script>",))._repr_html_()
    assert ("&lt;script&gt;" in odd, "<script>" in odd) == (True, False)


def test_the_paragraph_names_versions_hashes_and_limits(made) -> None:
    text = (made.folder / "methods.md").read_text()
    for part in (mien.__version__, "abababababababab", "4 people in 8 films", "softmax(log p - b + g)", "*show*"):
        assert part in text


def test_the_paragraph_counts_as_tested_what_was(made, folder: Path, tmp_path: Path) -> None:
    """One person a side: every contrast stands in tests.csv, none has a p value."""
    sides = tmp_path / "people.csv"
    sides.write_text("file,person,condition\np1-calm.mp4,p1,calm\np2-funny.mp4,p2,funny\n")
    alone = mien.study(str(folder / "out"), tmp_path / "alone", sides, settings=mien.StudySettings(formats=()))
    rows = table(alone, "tests")
    assert {row["p"] for row in rows} == {""}
    text = (alone.folder / "methods.md").read_text()
    assert f"{len(rows)} contrasts could not be tested" in text
    assert "permutation" not in text
    assert "were tested by two-sided permutation" in (made.folder / "methods.md").read_text()


def test_rest_that_lasts_longer_than_the_film_is_said(folder: Path, tmp_path: Path) -> None:
    long = mien.study(str(folder / "out"), tmp_path, settings=mien.StudySettings(baseline="0-99", formats=()))
    assert sum("rest is to last until 99 s, the film ends at 12.0 s" in str(note) for note in long.notes) == 2 * PEOPLE


def test_a_path_without_a_film_is_said_as_analyze_says_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a file or folder that exists") as told:
        mien.study(str(tmp_path / "vidoes"), tmp_path / "study")
    assert "left out" not in str(told.value)


def test_the_same_tables_give_the_same_files(folder: Path, made, tmp_path: Path) -> None:
    tables = [folder / f"{name}.csv" for name in ("people", "events", "exclude")]
    settings = mien.StudySettings(baseline="0-4", formats=())
    again = mien.study(str(folder / "out"), tmp_path / "again", *tables, settings)
    for path in again.files:
        if path.suffix == ".html":  # without pictures
            continue
        assert path.read_bytes() == (made.folder / path.relative_to(again.folder)).read_bytes(), path.name


def test_pictures_name_what_they_show(made) -> None:
    curves, heat, raster = (
        (made.folder / f"pictures/{name}.svg").read_text() for name in ("curves", "heatmap", "raster")
    )
    for word in ("happiness", "affect: valence", "calm, joke", "corrected score, mean and 95 % interval"):
        assert f">{word}<" in curves
    assert ">=p3  funny, joke<" in heat
    assert ">=p0  calm<" in raster


@pytest.mark.parametrize("spelt", ["lunch.mp4", "lunch", "films/lunch.mp4", "lunch-of-monday"])
def test_all_files_call_a_film_what_people_csv_calls_it(tmp_path: Path, spelt: str) -> None:
    """In every table, picture and page, whatever other tables call it; with a note of every kind that names one."""
    for name in ("lunch", "rest"):
        place = tmp_path / "out" / f"{name}-of-monday"
        write_result(place, shares([0.1] * 30), name=f"{name}.mp4", track=[1] * 15 + [2] * 15)
    edits = {"format": "mien edits", "version": 1, "source": {"name": "lunch.mp4"}}
    edits |= {"names": [{"track": 2, "name": "Bea"}], "excluded": [{"start": 1, "end": 2}]}
    (tmp_path / "mine.json").write_text(json.dumps(edits))
    tables = {
        "people": f"file,person,track,baseline_start,baseline_end\n{spelt},ann,1,0,9\nlunch.mp4,bob,2,0,9\n",
        "events": "file,onset,duration\nfilms/lunch.mp4,1,9\nlunch,99,1\n",
        "exclude": "file,start,end,person\nlunch.mp4,0,1,\nlunch,0,1,eve\n",
    }
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    made = mien.study(
        *(tmp_path / "out", tmp_path / "s", *(tmp_path / f"{name}.csv" for name in tables)),
        mien.StudySettings(formats=("svg",)),
        edits=[tmp_path / "mine.json"],
    )
    named = {path.name: set(re.findall(r"[\w./-]*lunch[\w./-]*", path.read_text())) for path in made.files}
    assert set().union(*named.values()) == {spelt}
    there = {name for name, names in named.items() if names}
    assert there == {"trials.csv", "quality.csv", "excluded.csv", "notes.csv", "study.html"}


def test_tables_of_an_earlier_run_that_was_told_more_go(folder: Path, tmp_path: Path) -> None:
    for name in ("trials", "baseline", "excluded", "mine"):
        (tmp_path / f"{name}.csv").write_text("old\n")
    mien.study(folder / "out", tmp_path, settings=mien.StudySettings(formats=()))
    assert {path.stem for path in tmp_path.glob("*.csv")} == TABLES - {"trials", "baseline", "excluded"} | {"mine"}


def test_the_program_in_python_runs(made) -> None:
    pytest.importorskip("statsmodels")
    ran = subprocess.run([sys.executable, "model.py"], cwd=made.folder / "snippets", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "happiness: 16 rows of 4 people, mean_corrected ~ condition, people at random" in ran.stdout
    written = made.folder / "snippets" / "model-python.csv"
    assert ran.stdout.splitlines()[-1].endswith(f": {written.resolve()}")
    (slope,) = [
        row for row in read_table(written) if (row["label"], row["term"]) == ("happiness", "condition[T.funny]")
    ]
    low, estimate, high = (float(slope[name]) for name in ("low", "estimate", "high"))
    assert estimate == pytest.approx(0.6, abs=0.02)
    assert 0.55 < low < estimate < high < 0.65
    assert (slope["rows"], slope["people"]) == ("16", "4")
    printed = [line.split() for line in ran.stdout.splitlines()]
    assert ["condition[T.funny]", *(f"{one:.6f}" for one in (estimate, low, high)), "0.000000"] in printed


def test_what_the_programs_found_in_an_earlier_study_goes(folder: Path, tmp_path: Path) -> None:
    old = [tmp_path / "snippets" / f"model-{name}.csv" for name in ("python", "r")]
    old[0].parent.mkdir()
    for path in old:
        path.write_text("old\n")
    mien.study(folder / "out", tmp_path, settings=mien.StudySettings(formats=()))
    assert not any(path.exists() for path in old)


@pytest.fixture(scope="module")
def rscript() -> str:
    """The command of an R that has lme4."""
    found = shutil.which("Rscript")
    if found is None or subprocess.run([found, "-e", "library(lme4)"], capture_output=True).returncode:
        pytest.skip("no Rscript with lme4")
    return found


def test_the_program_in_r_runs_and_keeps_names_apart(made, tmp_path: Path, rscript: str) -> None:
    (tmp_path / "snippets").mkdir()
    shutil.copy(made.folder / "snippets" / "model.R", tmp_path / "snippets")
    trials = (made.folder / "trials.csv").read_text()
    for number, name in enumerate(("1", "01", "1.0", "T")):
        trials = trials.replace(f"'=p{number},", f"{name},")
    (tmp_path / "trials.csv").write_text(trials)
    asked = 'source("model.R"); cat(nlevels(scores$person), "people")'
    ran = subprocess.run([rscript, "-e", asked], cwd=tmp_path / "snippets", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "happiness: 16 rows of 4 people, mean_corrected ~ condition + (1 | person)" in ran.stdout
    assert "model-r.csv" in ran.stdout
    rows = read_table(tmp_path / "snippets" / "model-r.csv")
    (slope,) = [row for row in rows if (row["label"], row["term"]) == ("happiness", "conditionfunny")]
    assert float(slope["low"]) < float(slope["estimate"]) < float(slope["high"])
    assert float(slope["estimate"]) == pytest.approx(0.6, abs=0.02)
    assert ran.stdout.endswith("4 people")


def test_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--people", str(folder / "people.csv"), "-o", str(tmp_path / "s"), "--formats"]
    assert main(["study", str(folder / "out"), *where]) == 0
    out, err = capsys.readouterr()
    assert str(tmp_path / "s" / "summary.csv") in out.splitlines()
    assert "gone.mp4, p9: there is no result of that film" in err
    assert {row["trial_type"] for row in read_table(tmp_path / "s" / "summary.csv")} == {"whole film"}
    events = ["--events", str(folder / "events.csv"), "--window", "-2", "3", "--bin", "0.5", "--json"]
    assert main(["study", str(folder / "out"), *where, *events]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"folder", "files", "notes"} == set(told)
    starts = [row["bin_start"] for row in read_table(tmp_path / "s" / "curve.csv")][:10]
    assert starts == ["-2", "-1.5", "-1", "-0.5", "0", "0.5", "1", "1.5", "2", "2.5"]
    assert main(["study", str(folder / "out"), *where, "--window", "-0.6", "0.4", "--bin", "0.1"]) == 0
    ends = [row["bin_end"] for row in read_table(tmp_path / "s" / "curve.csv")][:7]
    assert ends == ["-0.5", "-0.4", "-0.3", "-0.2", "-0.1", "0", "0.1"], "no dust of floating point"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--people", "bad.csv"), "row 2"),
        (("--bin", "0"), "bin"),
        (("--baseline", "10-0"), "from-to"),
        (("--measures", "meen"), "mean"),
        (("--bin", "0.001", "--window", "0", "3600"), "at most"),
    ],
)
def test_what_can_be_mended_is_said_in_a_line(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text("file,person\n,ann\n")
    assert main(["study", str(folder / "out"), "-o", "s", *args]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.splitlines()[-1].startswith("mien: expected ")
    assert not list(tmp_path.glob("s/*.csv"))


def test_films_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "-o", str(tmp_path / "s")]) == 1
    assert "FILMS" in capsys.readouterr().err


def test_films_that_were_not_analysed_are(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the films' analysis is asked for; the analysis itself is tested where it is."""
    asked: list[tuple[list[str], bool]] = []

    def analyze_many(
        model: object, sources: list[str], out: Path, settings: object, *, skip_existing: bool, **how: object
    ):
        asked.append(([Path(source).name for source in sources], skip_existing))
        for source in sources:
            bad = Path(source).stem == "torn"
            error = DataError("a film", "noise", "look at it") if bad else None
            if not bad:
                write_result(Path(out) / Path(source).stem, shares([0.1] * 10))
            yield run.Outcome(source, "failed" if bad else "done", Path(out) / Path(source).stem, error=error)

    monkeypatch.setattr(run, "analyze_many", analyze_many)
    monkeypatch.setattr(run, "load", lambda name: None)
    for name in ("ann.mp4", "torn.mp4", "rest.mp4"):
        (tmp_path / "films" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "films" / name).write_bytes(b"")
    (tmp_path / "people.csv").write_text("file,person\nann.mp4,ann\n")
    rest = str(tmp_path / "films" / "rest.mp4")
    settings = mien.StudySettings(baseline_file=rest, formats=())
    films = [tmp_path / "films" / "ann.mp4", tmp_path / "films" / "torn.mp4"]
    made = mien.study(films, tmp_path / "s", tmp_path / "people.csv", settings=settings)
    assert asked == [(["ann.mp4", "rest.mp4", "torn.mp4"], True)]
    assert any("torn.mp4: left out: expected a film" in note for note in made.notes)
    (row, *_) = read_table(tmp_path / "s" / "baseline.csv")
    assert (row["person"], row["frames"]) == ("ann", "10")


def test_without_matplotlib_the_rest_is_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    made = mien.study(folder / "out", tmp_path / "s")
    assert any("mien[plots]" in note for note in made.notes)
    assert (tmp_path / "s" / "study.html").is_file()
