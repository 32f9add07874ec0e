from __future__ import annotations

import dataclasses
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from brightness import BRIGHT, DARK, LEFT, BrightnessNetwork, one_face, picture, write_video

from mien.analysis import batch
from mien.analysis.batch import CHANGED, Outcome, Outputs, analyze_many, analyze_one
from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError, FileError, InputError, SourceError
from mien.core.registry import Registry


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Two videos and a picture."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_video(folder / "calm.mp4", one_face([DARK] * 50))
    write_video(folder / "merry.mp4", one_face([BRIGHT] * 50))
    cv2.imwrite(str(folder / "photo.png"), picture((LEFT, BRIGHT)))
    return [str(folder / name) for name in ("calm.mp4", "merry.mp4", "photo.png")]


@pytest.fixture
def run(model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path) -> Callable[..., list[Outcome]]:
    def call(sources: list[str], **options: object) -> list[Outcome]:
        options = {"settings": lenient, **options}
        return list(analyze_many(model, sources, tmp_path / "out", **options))  # type: ignore[arg-type]

    return call


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def report(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text("utf-8"))


Run = Callable[..., list[Outcome]]


def test_every_source_gets_a_folder_of_its_own(run: Run, sources: list[str], tmp_path: Path) -> None:
    outcomes = run(sources)
    assert statuses(outcomes) == ["done"] * 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["calm", "merry", "photo"]
    for outcome in outcomes:
        names = {path.name for path in outcome.folder.iterdir()}
        assert names == {"spans.csv", "frames.csv", "result.json", "timeline.svg"}
        assert outcome.report == report(outcome.folder)
    labels = [outcome.report["spans"][0]["label"] for outcome in outcomes if outcome.report]
    assert labels == ["neutral", "happiness", "happiness"]


def test_a_bad_source_is_reported_and_the_rest_is_done(run: Run, sources: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "in" / "broken.mp4"
    broken.write_bytes(b"this is no video")
    outcomes = run([sources[0], str(broken), str(tmp_path / "missing.mp4"), sources[2]])
    assert statuses(outcomes) == ["done", "failed", "failed", "done"]
    assert all(isinstance(outcome.error, InputError) for outcome in outcomes[1:3])
    assert "missing.mp4" in str(outcomes[2].error)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["calm", "photo"]


def test_a_bug_in_one_source_does_not_cost_the_others(
    run: Run, sources: list[str], network: BrightnessNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = network.probabilities

    def faulty(clips: np.ndarray) -> np.ndarray:
        if clips.mean() < 100:
            raise ZeroDivisionError("a bug")
        return usual(clips)

    monkeypatch.setattr(network, "probabilities", faulty)
    outcomes = run(sources)
    assert statuses(outcomes) == ["failed", "done", "done"]
    assert isinstance(outcomes[0].error, ZeroDivisionError)


def test_drawings_on_demand(run: Run, sources: list[str]) -> None:
    outcomes = run(sources, outputs=Outputs(save_video=True, blur=True, timeline="none"))
    videos = [path.name for outcome in outcomes for path in outcome.folder.glob("annotated.*")]
    assert videos == ["annotated.mp4", "annotated.mp4", "annotated.png"]
    assert not list(outcomes[0].folder.glob("timeline*"))
    with pytest.raises(ConfigError, match="save_video"):
        Outputs(blur=True)


def test_reports_on_demand(run: Run, sources: list[str], tmp_path: Path) -> None:
    for outcome in run(sources, outputs=Outputs(html=True)):
        text = (outcome.folder / "report.html").read_text("utf-8")
        assert f'"link":"../../in/{Path(outcome.source).name}"' in text, "valid where the folder ends up"
    drawn = run(sources, outputs=Outputs(html=True, save_video=True, blur=True))
    for outcome, name in zip(drawn, ("annotated.mp4", "annotated.mp4", "annotated.png"), strict=True):
        text = (outcome.folder / "report.html").read_text("utf-8")
        assert f'"link":"{name}"' in text, "never the source, in which the faces are to be seen"
        assert "image/jpeg" not in text
    alone = run(sources[:1], outputs=Outputs(html=True, embed=True, thumbnails=True))[0].folder / "report.html"
    assert "film-part" in alone.read_text("utf-8")
    assert "data:image/jpeg" in alone.read_text("utf-8")


@pytest.mark.parametrize(
    "options",
    [{"embed": True}, {"thumbnails": True}, {"html": True, "save_video": True, "blur": True, "thumbnails": True}],
)
def test_report_options_that_contradict_each_other(options: dict[str, bool]) -> None:
    with pytest.raises(ConfigError):
        Outputs(**options)  # type: ignore[arg-type]


def test_what_cannot_be_embedded_is_said_before_the_work(
    run: Run, sources: list[str], network: BrightnessNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.report.page import film

    monkeypatch.setattr(film, "MOST_EMBEDDED", 10)
    (outcome,) = run(sources[:1], outputs=Outputs(html=True, embed=True))
    assert isinstance(outcome.error, ConfigError)
    assert network.batches == []


def test_ctrl_c_keeps_what_is_finished_and_nothing_half_done(
    model: ExpressionModel, lenient: AnalysisSettings, sources: list[str], tmp_path: Path
) -> None:
    def stop(source: str, done: int, total: int | None, seconds: float) -> None:
        if source == sources[1] and done == 5:
            raise KeyboardInterrupt

    stream = analyze_many(model, sources, tmp_path / "out", lenient, progress=stop)
    assert next(stream).status == "done"
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["calm"]


def test_a_crash_while_writing_leaves_no_folder(
    run: Run, sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.report import tables

    def full(path: Path, content: dict) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(tables, "write_json", full)
    assert statuses(run(sources[:1])) == ["failed"]
    assert list((tmp_path / "out").iterdir()) == []


def on_first_frame(source: str, act: Callable[[], object]) -> Callable[..., None]:
    """A progress that does something to a source while it is read."""

    def progress(of: str, done: int, total: int | None, seconds: float) -> None:
        if of == source and done == 1:
            act()

    return progress


def replace_by(path: Path, frames: np.ndarray) -> None:
    """Another film takes the name, with the old one's time."""
    was = path.stat()
    write_video(path.with_name("other.mp4"), frames)
    path.with_name("other.mp4").replace(path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def test_a_film_replaced_while_it_is_read_fails_and_is_not_skipped_later(
    run: Run, sources: list[str], tmp_path: Path
) -> None:
    act = on_first_frame(sources[0], lambda: replace_by(Path(sources[0]), one_face([BRIGHT] * 50)))
    first, second = run(sources[:2], progress=act)
    assert isinstance(first.error, SourceError)
    assert "replaced meanwhile" in str(first.error)
    assert second.status == "done"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["merry"]
    (again,) = run(sources[:1], skip_existing=True)
    assert again.report is not None
    assert (again.status, again.report["spans"][0]["label"]) == ("done", "happiness")


def test_a_film_replaced_between_reading_and_drawing_fails(
    run: Run, sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proper = ExpressionModel.analyze

    def slow(self: ExpressionModel, source: str, *args: Any) -> Any:
        result = proper(self, source, *args)
        replace_by(Path(source), one_face([BRIGHT] * 50))
        return result

    monkeypatch.setattr(ExpressionModel, "analyze", slow)
    (outcome,) = run(sources[:1], outputs=Outputs(save_video=True))
    assert isinstance(outcome.error, SourceError)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_result_of_another_film_of_that_name_is_kept(run: Run, sources: list[str], tmp_path: Path) -> None:
    other = write_video(tmp_path / "calm.mkv", one_face([BRIGHT] * 50))
    assert run(sources[:1])[0].folder.name == "calm"
    assert run([str(other)])[0].folder.name == "calm-2"
    labels = [report(tmp_path / "out" / name)["spans"][0]["label"] for name in ("calm", "calm-2")]
    assert labels == ["neutral", "happiness"]
    skipped = run([str(other), *sources[:1]], skip_existing=True)
    assert [(one.status, one.folder.name) for one in skipped] == [("skipped", "calm-2"), ("skipped", "calm")]


def test_two_runs_that_start_together_give_two_results(run: Run, sources: list[str], tmp_path: Path) -> None:
    other = write_video(tmp_path / "calm.mkv", one_face([BRIGHT] * 50))
    inner: list[Outcome] = []
    act = on_first_frame(sources[0], lambda: inner.extend(run([str(other)])))
    (outer,) = run(sources[:1], progress=act)
    assert [inner[0].folder.name, outer.folder.name] == ["calm", "calm-2"]
    assert report(tmp_path / "out" / "calm")["source"]["name"] == "calm.mkv"


def test_a_result_lost_to_a_newer_film_of_that_path_is_said(run: Run, sources: list[str]) -> None:
    assert run(sources[:1])[0].notes == ()
    assert run(sources[:1])[0].notes == ()
    write_video(Path(sources[0]), one_face([BRIGHT] * 50))
    assert run(sources[:1])[0].notes == (CHANGED,)


NAMES = (b"caf\xe9", b"two\nlines\x1b[31m", b"n" * 250, "\u9762\u8ac7".encode() * 41)


@pytest.mark.parametrize("timeline", ["svg", "png"])
def test_a_name_is_no_reason_to_lose_the_work(run: Run, tmp_path: Path, timeline: Any) -> None:
    (tmp_path / "in").mkdir()
    sources = []
    for name in NAMES:
        sources.append(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name + b".png"))
        Path(sources[-1]).write_bytes(cv2.imencode(".png", picture((LEFT, BRIGHT)))[1].tobytes())
    outcomes = run(sources, outputs=Outputs(timeline=timeline, html=True, save_video=True))
    assert [outcome.error for outcome in outcomes] == [None] * len(NAMES)
    for outcome in outcomes:
        assert report(outcome.folder)["source"]["name"].endswith(".png")
        assert len(os.fsencode(outcome.folder.name)) <= 244
        assert {path.name for path in outcome.folder.iterdir()} >= {f"timeline.{timeline}", "report.html"}
    if timeline == "svg":
        for outcome in outcomes:
            ElementTree.parse(outcome.folder / "timeline.svg")
    assert statuses(
        run(sources, outputs=Outputs(timeline=timeline, html=True, save_video=True), skip_existing=True)
    ) == ["skipped"] * len(NAMES)


def test_a_folder_whose_name_is_taken_is_said_before_the_work(
    run: Run, sources: list[str], network: BrightnessNetwork, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "calm").write_text("a file")
    first, second = run(sources[:2], workers=1)
    assert isinstance(first.error, FileError)
    assert "a file at" in first.error.got
    assert second.status == "done"
    assert (tmp_path / "out" / "calm").read_text() == "a file"


@pytest.mark.parametrize("outputs", [Outputs(), Outputs(save_video=True, html=True)])
def test_a_full_disk_is_the_users_error_and_keeps_the_old_result(
    run: Run, sources: list[str], tmp_path: Path, outputs: Outputs
) -> None:
    (old,) = run(sources[:1], outputs=outputs)
    before = {path.name: path.read_bytes() for path in old.folder.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        (outcome,) = run(sources[:1], outputs=outputs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(outcome.error, FileError), outcome.error
    assert outcome.error.got == f"{old.folder}: File too large"
    assert {path.name: path.read_bytes() for path in old.folder.iterdir()} == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["calm"]


class TestSkipping:
    def test_a_film_of_the_same_size_is_another_one(self, run: Run, sources: list[str]) -> None:
        path = Path(sources[2])
        cv2.imwrite(str(path.with_suffix(".bmp")), picture((LEFT, BRIGHT)))
        cv2.imwrite(str(path.with_name("other.bmp")), picture((LEFT, DARK)))
        source = str(path.with_suffix(".bmp"))
        run([source])
        path.with_name("other.bmp").replace(source)
        (outcome,) = run([source], skip_existing=True)
        assert outcome.report is not None
        assert (outcome.status, outcome.report["spans"][0]["label"]) == ("done", "neutral")

    def test_with_a_hash_a_copy_is_the_same_and_a_forgery_is_not(
        self, run: Run, sources: list[str], lenient: AnalysisSettings
    ) -> None:
        settings = dataclasses.replace(lenient, hash_source=True)
        run(sources[:1], settings=settings)
        os.utime(sources[0])
        assert statuses(run(sources[:1], settings=settings, skip_existing=True)) == ["skipped"]
        was = Path(sources[0]).stat()
        content = bytearray(Path(sources[0]).read_bytes())
        content[-1] ^= 1
        Path(sources[0]).write_bytes(content)
        os.utime(sources[0], ns=(was.st_atime_ns, was.st_mtime_ns))
        assert statuses(run(sources[:1], settings=settings, skip_existing=True)) == ["done"]

    def test_other_boxes_in_the_detectors_file_are_another_question(
        self, run: Run, sources: list[str], lenient: AnalysisSettings, tmp_path: Path
    ) -> None:
        boxes = tmp_path / "boxes.csv"
        faces = dataclasses.replace(lenient.faces, detector="given", detector_file=boxes)
        settings = dataclasses.replace(lenient, faces=faces)
        for left in (10, 11):
            boxes.write_text("frame,x0,y0,x1,y1\n" + "".join(f"{i},{left},20,60,80\n" for i in range(50)))
            assert statuses(run(sources[:1], settings=settings, skip_existing=True)) == ["done"]
            assert statuses(run(sources[:1], settings=settings, skip_existing=True)) == ["skipped"]

    def test_a_finished_source_is_not_done_again(
        self, run: Run, sources: list[str], network: BrightnessNetwork
    ) -> None:
        first = run(sources)
        network.batches.clear()
        again = run(sources, skip_existing=True)
        assert statuses(again) == ["skipped"] * 3
        assert network.batches == []
        assert [outcome.report for outcome in again] == [outcome.report for outcome in first]

    def test_without_asking_it_is(self, run: Run, sources: list[str]) -> None:
        run(sources[:1])
        assert statuses(run(sources[:1])) == ["done"]

    @pytest.mark.parametrize("what", ["settings", "weights", "outputs", "source", "torn"])
    def test_another_question_is_answered_anew(
        self,
        run: Run,
        sources: list[str],
        network: BrightnessNetwork,
        lenient: AnalysisSettings,
        what: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder = run(sources[:1])[0].folder
        options: dict[str, object] = {"skip_existing": True}
        if what == "settings":
            options["settings"] = dataclasses.replace(lenient, window=0.8)
        elif what == "weights":
            monkeypatch.setattr(network, "record", dataclasses.replace(network.record, sha256="0" * 64))
        elif what == "outputs":
            options["outputs"] = Outputs(save_video=True)
        elif what == "source":
            write_video(Path(sources[0]), one_face([BRIGHT] * 60))
        else:
            (folder / "result.json").write_text('{"schema": 1, "prov', "utf-8")
        assert statuses(run(sources[:1], **options)) == ["done"]
        assert statuses(run(sources[:1], **options)) == ["skipped"]

    def test_a_folder_of_the_users_keeps_their_files(self, run: Run, sources: list[str], tmp_path: Path) -> None:
        (tmp_path / "out" / "calm").mkdir(parents=True)
        (tmp_path / "out" / "calm" / "notes.txt").write_text("mine")
        assert statuses(run(sources[:1])) == ["done"]
        assert (tmp_path / "out" / "calm" / "notes.txt").read_text() == "mine"
        assert report(tmp_path / "out" / "calm")["spans"]
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["calm"]


def test_shards_share_the_work_and_the_names(run: Run, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "a.png" for folder in ("x", "y", "z")]
    for path in paths:
        path.parent.mkdir()
        cv2.imwrite(str(path), picture((LEFT, BRIGHT)))
    sources = [str(path) for path in paths]
    first, second = run(sources, shard="1/2"), run(sources, shard="2/2")
    assert [(outcome.source, outcome.folder.name) for outcome in first] == [(sources[0], "a"), (sources[2], "a-3")]
    assert [(outcome.source, outcome.folder.name) for outcome in second] == [(sources[1], "a-2")]


def test_two_workers_give_the_answers_of_one(
    lenient: AnalysisSettings, sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fresh processes know nothing of this test's detector: they are given boxes from a file.
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,x0,y0,x1,y1\n" + "".join(f"{i},10,20,60,80\n" for i in range(50)))
    faces = dataclasses.replace(lenient.faces, detector="given", detector_file=boxes)
    settings = dataclasses.replace(lenient, faces=faces)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
    model = ExpressionModel(BrightnessNetwork())
    sources = [*sources, str(tmp_path / "missing.mp4")]
    one = list(analyze_many(model, sources, tmp_path / "one", settings))
    two = list(analyze_many(model, sources, tmp_path / "two", settings, workers=2))
    assert {o.source: o.status for o in two} == {o.source: o.status for o in one}
    assert {str(o.error) for o in two} == {str(o.error) for o in one}
    for name in ("calm", "merry", "photo"):
        for file in ("spans.csv", "frames.csv", "timeline.svg"):
            assert (tmp_path / "one" / name / file).read_bytes() == (tmp_path / "two" / name / file).read_bytes()
        reports = [report(tmp_path / folder / name) for folder in ("one", "two")]
        for content in reports:
            content["provenance"].pop("date")
        assert reports[0] == reports[1]


@pytest.mark.parametrize("options", [{"workers": 0}, {"shard": "3/2"}, {"shard": "0/2"}, {"shard": "half"}])
def test_nonsense_is_refused_before_any_work(run: Run, options: dict) -> None:
    with pytest.raises(ConfigError):
        run(["a.mp4"], **options)


@pytest.mark.parametrize(
    "settings", [{"step": 0.5}, {"most_yaw": 20.0}, {"covered": 0.2}, {"compound": True}], ids=lambda one: "".join(one)
)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_model_cannot_follow_is_refused_once(run: Run, settings: dict, workers: int) -> None:
    """Not once a source: a step longer than its windows, limits of what it does not say, pairs of labels it lacks."""
    with pytest.raises(ConfigError):
        run(["a.mp4", "b.mp4"], settings=AnalysisSettings(**settings), workers=workers)


def test_an_output_folder_that_cannot_be_is_refused_before_any_work(model: ExpressionModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="folder for the results"):
        analyze_many(model, ["a.mp4"], tmp_path / "file" / "out")


def test_an_executor_of_ones_own_deals_the_sources_out(run: Run, sources: list[str], monkeypatch: Any) -> None:
    def backwards(model, job, places, workers, progress):  # type: ignore[no-untyped-def]
        yield from (analyze_one(model, job, place, progress) for place in reversed(places))

    monkeypatch.setattr(batch, "EXECUTORS", Registry("executor", {**batch.EXECUTORS, "backwards": backwards}))
    ours = run(sources, executor="backwards")
    assert [outcome.source for outcome in ours] == sources[::-1]
    assert statuses(run(sources, skip_existing=True, executor="here")) == ["skipped"] * 3
    with pytest.raises(ConfigError, match="a known executor"):
        run(sources, executor="forwards")


def test_processes_are_asked_for_nothing_when_there_is_nothing_to_do(run: Run) -> None:
    assert run([], executor="processes") == []
