"""``mien analyze`` on stills, with a model of random numbers: what is printed, written, left out, and the exit code."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.analysis.batch import CHANGED
from mien.analysis.expressions import ExpressionModel
from mien.cli.analyze import is_long, print_spans, public_command
from mien.cli.console import MOST_ROWS
from mien.cli.sources import with_list
from mien.core.compound import SEVEN
from mien.models.calibration import Calibration
from mien.models.weights import load_weights, save_weights

FACTS = ("--threshold", "0")


@pytest.fixture
def analyze(mien, tiny, tmp_path):
    """``analyze(source, ...)``: into out, never unclear."""
    return lambda *args: mien("analyze", *args, "-o", tmp_path / "out", "--model", tiny, *FACTS)


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.png"
    cv2.imwrite(str(path), np.zeros((120, 160, 3), np.uint8))
    return path


def test_a_good_picture_gives_a_table_and_files(analyze, picture: Path, tmp_path: Path) -> None:
    ran = analyze(picture)
    assert ran.code == 0
    assert ran.err == ""
    assert "portrait.png: 1 face" in ran.out
    assert "expression" in ran.out
    assert "seconds" not in ran.out, "a still lasts no time"
    folder = tmp_path / "out" / "portrait"
    assert {path.name for path in folder.iterdir()} == {"spans.csv", "frames.csv", "result.json", "timeline.svg"}
    (span,) = json.loads((folder / "result.json").read_text())["spans"]
    assert span["label"] in ran.out
    assert str(folder) in ran.out


def test_two_faces_get_two_numbers(analyze, portrait: np.ndarray, tmp_path: Path) -> None:
    head = portrait[:256, 96:352, ::-1]
    cv2.imwrite(str(tmp_path / "two.png"), np.hstack([head, head[:, ::-1]]))
    ran = analyze(tmp_path / "two.png", "--json")
    (line,) = ran.lines
    assert [track["track"] for track in line["result"]["tracks"]] == [1, 2]
    assert "two.png: 2 faces" in analyze(tmp_path / "two.png").out


def test_no_face_is_a_result(analyze, blank: Path) -> None:
    ran = analyze(blank)
    assert (ran.code, ran.err) == (0, "")
    assert "blank.png: no face was found" in ran.out


def test_a_missing_file_takes_one_line(analyze) -> None:
    ran = analyze("nowhere.mp4")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "mien: expected a file or folder that exists, got nowhere.mp4; check the path\n"


def test_what_is_not_there_is_said_before_a_model_is_loaded(mien, tmp_path: Path) -> None:
    model, out = ("--model", "gone.safetensors"), tmp_path / "out"
    ran = mien("analyze", "nowhere.mp4", "no*where.mp4", "-o", out, *model, "--json")
    assert (ran.code, [json.loads(line)["status"] for line in ran.out.splitlines()]) == (1, ["failed", "failed"])
    assert "got nowhere.mp4" in ran.err
    assert "got none for no*where.mp4" in ran.err
    assert "gone.safetensors" not in ran.err
    for verb in (("explain", "nowhere.mp4", "-o", out), ("watch", "nowhere.mp4")):
        assert "got nowhere.mp4" in mien(*verb, *model).err


def test_a_folder_that_cannot_be_made_is_said_before_a_model_is_loaded(mien, blank: Path) -> None:
    model = "gone.safetensors"
    for args in (("analyze", blank, "--model", model), ("explain", blank, "--model", model), ("export", model)):
        ran = mien(*args, "-o", blank / "out")
        assert ran.code == 1
        assert ran.err.startswith("mien: expected a folder for the "), ran.err


def test_a_broken_file_in_a_folder_is_left_out_and_the_rest_done(analyze, picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    folder.mkdir()
    picture.rename(folder / "good.png")
    (folder / "broken.mp4").write_bytes(b"no video at all" * 100)
    (folder / "notes.txt").write_text("not media")
    ran = analyze(folder)
    assert ran.code == 1
    assert "good.png: 1 face" in ran.out
    left_out, complaint, summary = ran.err.splitlines()
    assert left_out.startswith(f"mien: left out 1 file: {folder / 'notes.txt'} (")
    assert complaint.startswith(f"mien: {folder / 'broken.mp4'} left out: expected ")
    assert summary == f"mien: 1 of 2 finished, 1 failed; results are in {tmp_path / 'out'}"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("--window", "0"), "expected a window longer than 0 s"),
        (("--step", "2"), "expected a step above 0"),
        (("--detector", "mtcn"), "did you mean mtcnn?"),
        (("--blur",), "expected save_video"),
        (("--shard", "3/2"), "expected a shard i/n"),
        (("--workers", "0"), "expected at least 1 worker"),
        (("--signals", "afect"), "did you mean affect?"),
        (("--model", "s2d-smal"), "expected the name of shipped weights or a path"),
        (("--model", "gone.safetensors"), "no file at gone.safetensors"),
    ],
)
def test_a_wrong_option_is_said_before_anything_is_done(mien, tiny, blank, tmp_path, args, complaint) -> None:
    model = () if "--model" in args else ("--model", tiny)
    ran = mien("analyze", blank, "-o", tmp_path / "out", *model, *args)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert complaint in ran.err
    assert not list((tmp_path / "out").glob("*"))


@pytest.fixture
def stdin() -> Iterator[Callable[[bytes], None]]:
    """``stdin(data)``: what comes from standard input, through a pipe."""
    kept = os.dup(0)

    def send(data: bytes) -> None:
        out, end = os.pipe()
        os.write(end, data)  # small enough for a pipe to hold
        os.close(end)
        os.dup2(out, 0)
        os.close(out)

    yield send
    os.dup2(kept, 0)
    os.close(kept)


def test_standard_input_is_a_source(analyze, stdin, blank: Path, picture: Path, tmp_path: Path) -> None:
    stdin(blank.read_bytes())
    (line,) = analyze("-", "--json").lines
    assert (line["source"], line["status"], line["folder"]) == ("-", "done", str(tmp_path / "out" / "stdin"))
    assert line["result"]["source"]["name"] == "stdin"
    stdin(cv2.imencode(".jpg", cv2.imread(str(picture)), [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    (line,) = analyze("-", "--skip-existing", "--json").lines
    assert (line["status"], Path(line["folder"]).name) == ("done", "stdin-2"), "nobody knows that it is the same"
    assert len(line["result"]["tracks"]) == 1


@pytest.mark.parametrize("option", ["--save-video", "--html --embed", "--html --thumbnails"])
def test_what_passes_once_cannot_be_drawn_on(analyze, stdin, blank: Path, tmp_path: Path, option: str) -> None:
    stdin(blank.read_bytes())
    ran = analyze("-", *option.split())
    assert (ran.code, ran.out) == (1, "")
    assert "save the stream to a file first" in ran.err


def test_sources_from_a_list(analyze, picture: Path, blank: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf# two of them\r\n\r\nportrait.png \r\nblank.png\nblank.png")
    ran = analyze("--sources", "list.txt", "--json")
    assert [line["source"] for line in ran.lines] == ["blank.png", "portrait.png"]
    assert ran.code == 0
    ran = analyze("gone.png", "--sources", "list.txt", "--json")
    assert len(ran.lines) == 3, "beside the arguments"


def test_a_list_of_odd_names(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [" blank first", "new\nline", "caf\udce9", "#1", "a b"]
    for name in names:
        Path(name).touch()
    Path("list").write_bytes(b"\0".join(os.fsencode(name) for name in names) + b"\0")
    assert with_list([], "list") == names, "as find -print0 writes them"
    Path("list").write_bytes(os.fsencode("\n".join([" blank first", "caf\udce9", "#1", "./#1", "  a b  "])))
    assert with_list(["x"], "list") == ["x", " blank first", "caf\udce9", "./#1", "a b"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"# nothing\n", "none in list"),
        ("a\n".encode("utf-16"), "UTF-8"),
        (None, "check the path"),
        (b"\0\0\0\x20ftypisom\n.\n\0", "no text"),  # a film: "." and "/" are lines of many
        (b"\x1aE\xdf\xa3\n.\n", "no text"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\n.\n\0\0", "no text"),
        (b"x" * 70_000, "no text"),
    ],
)
def test_a_list_that_is_none(analyze, tmp_path: Path, monkeypatch, content: bytes | None, complaint: str) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("list").write_bytes(content)
    ran = analyze("--sources", "list")
    assert (ran.code, ran.out) == (1, "")
    assert complaint in ran.err


def test_one_thing_comes_from_standard_input(analyze, blank: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{blank}\n".encode())))
    assert "blank.png: no face" in analyze("--sources", "-").out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.mp4\n")))
    assert "one thing from standard input" in analyze("-", "--sources", "-").err


def test_results_within_the_folder_are_not_looked_at(mien, tiny, picture: Path, tmp_path: Path) -> None:
    def sources(out: Path) -> list[str]:
        ran = mien("analyze", tmp_path, "-o", out, "--model", tiny, "--save-video", "--json")
        return [Path(line["source"]).name for line in ran.lines]

    assert sources(tmp_path / "out") == ["portrait.png"]
    assert sources(tmp_path / "out") == ["portrait.png"], "not the drawing of the run before"
    assert sources(tmp_path) == ["portrait.png"], "nor that of a run with another folder"


def test_no_source_is_a_problem_of_the_user(mien, tmp_path) -> None:
    ran = mien("analyze", "-o", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "at least one SRC" in ran.err


def test_json_has_a_line_a_source_and_nothing_else_on_stdout(analyze, picture, blank, tmp_path) -> None:
    ran = analyze(blank, "gone.mp4", picture, "--json")
    assert ran.code == 1
    by_name = {Path(line["source"]).name: line for line in ran.lines}
    assert len(ran.lines) == 3
    assert all(set(line) == {"source", "status", "folder", "error", "result"} for line in ran.lines)
    good = by_name["portrait.png"]
    assert (good["status"], good["error"]) == ("done", None)
    assert good["result"] == json.loads((Path(good["folder"]) / "result.json").read_text())
    assert set(good["result"]) == {"schema", "source", "label_space", "labels", "tracks", "spans", "provenance"}
    assert set(good["result"]["spans"][0]) == {
        "track",
        "start",
        "end",
        "label",
        "score",
        "abstained",
        "reason",
        "intensity",
    }
    assert by_name["blank.png"]["result"]["spans"] == []
    bad = by_name["gone.mp4"]
    assert (bad["status"], bad["result"]) == ("failed", None)
    assert set(bad["error"]) == {"kind", "message", "expected", "got", "fix"}
    assert bad["error"]["kind"] == "SourceError"


def test_every_key_and_column_is_in_the_documents(analyze, picture, root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "outputs.md").read_text()
    (line,) = analyze(picture, "--json", "--signals", "affect").lines
    columns = [
        name
        for table in ("spans.csv", "frames.csv")
        for name in (tmp_path / "out" / "portrait" / table).read_text().splitlines()[0].split(",")
        if not name.startswith("p_")
    ]
    for name in [*columns, *line, *line["result"]]:
        assert f"`{name}`" in text, f"docs/outputs.md does not tell of {name}"


def test_affect_stands_beside_and_changes_nothing_else(mien, tiny, picture, tmp_path) -> None:
    for name, more in (("off", ()), ("on", ("--signals", "affect"))):
        assert mien("analyze", *more, picture, "-o", tmp_path / name, "--model", tiny).code == 0
    off, on = ((tmp_path / name / "portrait" / "frames.csv").read_text().splitlines() for name in ("off", "on"))
    assert [line.rsplit(",", 2)[0] for line in on] == off
    assert on[0].endswith(",affect.valence,affect.arousal")
    assert all(-1 <= float(number) <= 1 for number in on[1].rsplit(",", 2)[1:])
    told = json.loads((tmp_path / "on" / "portrait" / "result.json").read_text())
    assert [(signal["name"], signal["derived_from"]) for signal in told["signals"]] == [("affect", "expression")]


def test_two_expressions_at_once_are_said_where_asked_for(analyze, picture, root: Path) -> None:
    ran = analyze(picture, "--compound", "--compound-least", "0", "--filter", "box", "--json")
    told = ran.lines[0]["result"]
    assert len(told["compounds"]) == len(told["spans"]) == 1
    assert told["compounds"][0]["likeliest"] in SEVEN
    text = (root / "docs" / "outputs.md").read_text()
    for name in ("compounds", "compound_seconds", *told["compounds"][0]):
        assert f"`{name}`" in text
    again = analyze(picture, "--compound", "--compound-least", "0", "--skip-existing")
    named = told["compounds"][0]["name"]
    assert (named is None) == all(pair not in again.out for pair in SEVEN)


def test_what_is_finished_is_not_done_again(analyze, picture, blank, tmp_path) -> None:
    analyze(picture)
    before = (tmp_path / "out" / "portrait" / "result.json").stat().st_mtime_ns
    ran = analyze(blank, picture, "--skip-existing")
    assert ran.code == 0
    assert (tmp_path / "out" / "portrait" / "result.json").stat().st_mtime_ns == before
    assert "portrait.png: 1 face" in ran.out, "its table is shown all the same"
    assert "2 of 2 finished (1 of them before), 0 failed" in ran.err


def test_shards_share_the_work(analyze, picture, blank, tmp_path) -> None:
    first, second = (analyze(picture, blank, "--shard", f"{part}/2", "--json").lines for part in (1, 2))
    assert [len(first), len(second)] == [1, 1]
    assert {Path(line["source"]).name for line in (*first, *second)} == {"portrait.png", "blank.png"}


def test_pictures_on_demand(analyze, picture, tmp_path) -> None:
    assert analyze(picture, "--timeline", "png", "--save-video", "--blur", "--landmarks").code == 0
    folder = tmp_path / "out" / "portrait"
    assert {"annotated.png", "timeline.png"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "timeline.svg").exists()
    before, after = cv2.imread(str(picture)), cv2.imread(str(folder / "annotated.png"))
    assert after.shape == before.shape
    face = np.s_[80:140, 100:150]
    assert np.abs(after[face].astype(int) - before[face]).mean() > 10, "the face is to be seen"


def test_a_bug_on_one_source_costs_only_that_source(analyze, picture, blank, monkeypatch) -> None:
    proper = ExpressionModel.analyze

    def flawed(self, source, *args):
        if "blank" in str(source):
            raise ZeroDivisionError("flaw")
        return proper(self, source, *args)

    monkeypatch.setattr(ExpressionModel, "analyze", flawed)
    ran = analyze(blank, picture)
    assert ran.code == 2
    assert "portrait.png: 1 face" in ran.out
    assert "ZeroDivisionError: flaw" in ran.err
    assert "bug in mien" in ran.err


def test_ctrl_c_says_what_is_kept(analyze, picture, blank, monkeypatch, tmp_path) -> None:
    proper = ExpressionModel.analyze

    def interrupted(self, source, *args):
        if "portrait" in str(source):
            raise KeyboardInterrupt
        return proper(self, source, *args)

    monkeypatch.setattr(ExpressionModel, "analyze", interrupted)
    ran = analyze(blank, picture)
    assert ran.code == 130
    kept = tmp_path / "out"
    assert ran.err == f"mien: stopped: 1 of 2 finished kept in {kept}; --skip-existing does only the rest\n"
    assert [path.name for path in kept.iterdir()] == ["blank"]


def test_results_in_the_folder_of_the_sources_are_not_analysed(mien, tiny, picture, tmp_path) -> None:
    words = ("--save-video", "--timeline", "png", *FACTS, "--model", tiny)
    for _ in range(2):
        ran = mien("analyze", tmp_path, "-o", tmp_path / "out", *words)
        assert (ran.code, ran.err) == (0, "")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["portrait"]


def test_a_result_that_is_lost_is_told(analyze, picture, blank) -> None:
    analyze(picture)
    blank.replace(picture)
    ran = analyze(picture, "--skip-existing")
    assert ran.code == 0
    assert ran.err == f"mien: {picture}: {CHANGED}\n"
    assert "no face was found" in ran.out


@pytest.mark.parametrize("error", [ValueError("side data of a kind nobody knows"), MemoryError(), KeyError(7)])
def test_what_probing_trips_over_is_that_sources_problem(monkeypatch, picture, error: Exception) -> None:
    def fail(path: str) -> None:
        raise error

    monkeypatch.setattr("mien.media.opening.probe", fail)
    monkeypatch.setattr("mien.media.probe", fail, raising=False)
    assert not is_long([str(picture), "gone.mp4", "rtsp://host/live"])


def test_names_that_are_no_text_are_printed_and_written(analyze, picture, tmp_path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    picture.rename(odd)
    assert "caf?.png: 1 face" in analyze(odd, "--timeline", "png").out
    (line,) = analyze(odd, "--json", "--skip-existing", "--timeline", "png").lines
    assert (line["status"], line["source"]) == ("skipped", str(tmp_path / "caf?.png"))
    assert "caf?.png" in line["result"]["provenance"]["command"]


def test_damage_in_a_file_is_told(analyze, picture, monkeypatch) -> None:
    from dataclasses import replace

    proper = ExpressionModel.analyze

    def damaged(self, *args):
        result = proper(self, *args)
        return replace(result, provenance={**result.provenance, "problems": ["it ends in the middle"]})

    monkeypatch.setattr(ExpressionModel, "analyze", damaged)
    ran = analyze(picture)
    assert ran.code == 0
    assert ran.err == f"mien: {picture}: it ends in the middle\n"


def test_secrets_of_an_address_stay_out_of_the_record() -> None:
    command = public_command(["rtsp://user:secret@camera/1", "-o", "my out"])
    assert command == "mien analyze rtsp://camera/1 -o 'my out'"


def test_a_long_table_ends_with_where_the_rest_is(capsys) -> None:
    span = {"track": 1, "start": 0.0, "end": 1.0, "label": "neutral", "score": 0.5, "reason": None}
    report = {"spans": [span] * (MOST_ROWS + 7), "source": {"name": "[b]long[/b]", "kind": "video"}, "tracks": [{}]}
    print_spans(report, Path("out/long"))
    printed = capsys.readouterr().out
    assert printed.count("neutral") == MOST_ROWS
    assert "7 more spans, and all else, in out/long" in printed
    assert "[b]long[/b]: 1 face" in printed, "names are text, not markup"


def test_the_reason_for_unclear_is_in_the_table(capsys) -> None:
    span = {"track": 3, "start": 0.5, "end": 2.0, "label": "unclear", "score": 0.0, "reason": "too small"}
    print_spans({"spans": [span], "source": {"name": "a.mp4", "kind": "video"}, "tracks": [{}]}, Path("out/a"))
    row = next(line for line in capsys.readouterr().out.splitlines() if "unclear" in line)
    assert row.split() == ["3", "0.50", "2.00", "1.50", "unclear", "(too", "small)", "0.00"]


def test_another_reading_is_asked_for_by_name(mien, tiny: Path, picture: Path, tmp_path: Path) -> None:
    recognizer, record = load_weights(tiny)
    prior = (*[0.01] * 7, 0.93)
    balanced = Calibration(prior=prior, tau=1.0)
    two = tmp_path / "two.safetensors"
    save_weights(recognizer, replace(record, calibrations={"balanced": balanced}, prior="balanced"), two)

    def answer(*args: str) -> tuple[dict, str]:
        ran = mien("analyze", picture, "-o", tmp_path / "out", "--model", two, "--json", "--skip-existing", *args)
        (line,) = ran.lines
        model, scores = line["result"]["provenance"]["model"], line["result"]["spans"][0]["score"]
        return {"status": line["status"], "prior": model["prior"]}, scores

    (first, even), (second, uneven) = answer(), answer("--prior", "trained")
    assert first == {"status": "done", "prior": "balanced"}
    assert second == {"status": "done", "prior": "trained"}, "another reading is another question"
    assert even != uneven
    assert answer("--prior", "trained")[0]["status"] == "skipped"
    wrong = mien("analyze", picture, "-o", tmp_path / "out", "--model", two, "--prior", "balansed")
    assert wrong.code == 1
    assert "did you mean balanced" in wrong.err
