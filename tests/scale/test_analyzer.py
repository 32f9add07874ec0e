"""The analyzer alone, as somebody's own map_batches has it: from stores, within limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow
import pytest
import roles
from pyarrow import parquet
from sweeping import grey, shorten

import mien
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError
from mien.faces.settings import FaceSettings
from mien.scale import Analyzer
from mien.scale.asked import Asked, film_id, key_of
from mien.scale.settings import Care

TINY = Asked("s2d-tiny")


@pytest.fixture
def memory():
    """A store that is not this machine's disk."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs.clear()
    yield store
    store.store.clear()


def test_it_says_what_the_model_says(tmp_path: Path, sample_clip: Callable[[str], Path]) -> None:
    shorten(sample_clip("single_face.mp4"), clip := tmp_path / "clip.mp4", 12)
    analyzer = Analyzer(TINY, str(tmp_path / "out"))
    table = analyzer({"uri": np.array([str(clip)]), "person": np.array(["ann"])})
    analyzer.close()
    result = mien.load("s2d-tiny").analyze(clip)
    (row,) = table.to_pylist()
    assert (row["person"], row["status"], row["faces"]) == ("ann", "done", 1)
    told = result.to_dict()
    assert [span["label"] for span in row["spans"]] == [span["label"] for span in told["spans"]]
    assert [span["score"] for span in row["spans"]] == pytest.approx([span["score"] for span in told["spans"]])
    assert {one["name"]: one["seconds"] for one in row["tracks"][0]["shown"]} == told["tracks"][0]["shown_seconds"]
    means = {one["name"]: one["mean"] for one in row["tracks"][0]["signals"]}
    assert means["pose.yaw"] == pytest.approx(told["tracks"][0]["signals"]["pose"]["yaw"], abs=1e-3)
    frames = parquet.read_table(row["frames"])
    ours = result.frames.to_pandas()
    assert len(frames) == len(ours) == 12
    assert frames["p_happiness"].to_pylist() == pytest.approx(ours["p_happiness"].tolist(), abs=1e-3)
    assert set(frames["id"].to_pylist()) == {Path(row["frames"]).stem}
    assert b"s2d-tiny" in frames.schema.metadata[b"mien"]


def test_a_film_that_is_kept_is_not_read_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    film = str(grey(tmp_path / "films", 1) / "grey000.mp4")
    out = str(tmp_path / "out")
    first = Analyzer(TINY, out, role=roles.stub)({"uri": [film]}).to_pylist()[0]
    again = Analyzer(TINY, out, role=roles.stub)
    second = again({"uri": [film]}).to_pylist()[0]
    assert {**second, "finished": 0, "wall_seconds": 0} == {**first, "finished": 0, "wall_seconds": 0}
    assert len(log.read_text().splitlines()) == 1
    Path(first["frames"]).write_bytes(b"PAR1 half a file")
    assert again({"uri": [film]}).to_pylist()[0]["status"] == "no_face"
    assert len(log.read_text().splitlines()) == 2


def test_a_film_in_a_store_is_copied_read_and_gone(tmp_path: Path, sample_clip, memory) -> None:
    shorten(sample_clip("single_face.mp4"), tmp_path / "clip.mp4", 6)
    memory.pipe_file("/films/a.mp4", (tmp_path / "clip.mp4").read_bytes())
    memory.pipe_file("/films/torn.mp4", sample_clip("single_face.mp4").read_bytes()[:9000])
    scratch = tmp_path / "scratch"
    analyzer = Analyzer(TINY, care=Care(scratch=scratch, most_gigabytes=2e-4))
    table = analyzer({"uri": ["memory://films/a.mp4", "memory://films/torn.mp4", "memory://films/none.mp4"]})
    good, torn, none = table.to_pylist()
    assert (good["status"], good["faces"], good["frames"]) == ("done", 1, None)
    assert (torn["status"], none["status"]) == ("unreadable", "unreadable")
    assert "memory://films/torn.mp4" in torn["error"]["got"]
    assert ".mien-" not in torn["error"]["got"]
    memory.pipe_file("/films/large.mp4", bytes(300_000))
    large = analyzer({"uri": ["memory://films/large.mp4"]}).to_pylist()[0]
    assert (large["status"], large["attempts"]) == ("unreadable", 1)
    assert "--most-gigabytes" in large["error"]["fix"]
    assert list(scratch.iterdir()) == []


def test_a_store_that_fails_is_asked_again(tmp_path: Path, memory, monkeypatch) -> None:
    memory.pipe_file("/films/a.mp4", (grey(tmp_path / "films", 1) / "grey000.mp4").read_bytes())
    opened = type(memory)._open
    asked = []

    def fails_once(self, path, *args, **kwargs):
        asked.append(path)
        if len(asked) == 1:
            raise ConnectionResetError("the network went away")
        return opened(self, path, *args, **kwargs)

    monkeypatch.setattr(type(memory), "_open", fails_once)
    analyzer = Analyzer(TINY, role=roles.stub)
    row = analyzer({"uri": ["memory://films/a.mp4"]}).to_pylist()[0]
    assert (row["status"], row["attempts"]) == ("no_face", 2)
    monkeypatch.setattr(type(memory), "_open", lambda *_, **__: (_ for _ in ()).throw(ConnectionResetError("gone")))
    row = analyzer({"uri": ["memory://films/a.mp4"]}).to_pylist()[0]
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert "gone" in row["error"]["got"]


def test_results_that_cannot_be_written_are_no_fault_of_the_film(tmp_path: Path) -> None:
    film = str(grey(tmp_path / "films", 1) / "grey000.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "frames").write_text("a file where the folder would be")
    row = Analyzer(TINY, str(tmp_path / "out"), role=roles.stub)({"uri": [film]}).to_pylist()[0]
    assert (row["status"], row["attempts"], row["error"]["kind"]) == ("failed", 3, "FileError")
    assert "frames" in row["error"]["got"]


def test_a_store_that_is_away_takes_no_frames_with_it(tmp_path: Path, monkeypatch) -> None:
    film = str(grey(tmp_path / "films", 1) / "grey000.mp4")
    analyzer = Analyzer(TINY, str(tmp_path / "out"), role=roles.stub)
    (first,) = analyzer({"uri": [film]}).to_pylist()

    def away(*_: object, **__: object) -> None:
        raise ConnectionResetError("the network went away")

    with monkeypatch.context() as broken:
        broken.setattr(type(fsspec.filesystem("file")), "open", away)
        (lost,) = analyzer({"uri": [film]}).to_pylist()
    assert (lost["status"], lost["attempts"]) == ("failed", 3)
    assert Path(first["frames"]).is_file()
    assert analyzer({"uri": [film]}).to_pylist()[0]["status"] == "no_face"


def test_a_film_that_stops_costs_its_limit_and_no_other_film(tmp_path: Path) -> None:
    films = grey(tmp_path / "films", 1)
    (films / "hangs.mp4").write_bytes((films / "grey000.mp4").read_bytes())
    analyzer = Analyzer(TINY, care=Care(limit=3, attempts=1), role=roles.fragile)
    began = time.monotonic()
    hung = analyzer({"uri": [str(films / "hangs.mp4")]}).to_pylist()[0]
    assert 3 < time.monotonic() - began < 10
    assert hung["status"] == "timeout"
    assert analyzer({"uri": [str(films / "grey000.mp4")]}).to_pylist()[0]["status"] == "no_face"


def test_a_film_is_known_by_all_that_its_answer_depends_on() -> None:
    key = key_of(TINY.facts())
    films = [("s3://a/b.mp4", 10, "etag"), ("s3://a/c.mp4", 10, "etag"), ("s3://a/b.mp4", 11, "etag")]
    films += [("s3://a/b.mp4", None, "etag"), ("s3://a/b.mp4", 10, "other")]
    assert len({film_id(*film, key) for film in films}) == 5
    others = [
        Asked("s2d-small"),
        Asked("s2d-tiny", prior="trained"),
        Asked("s2d-tiny", signals=("affect",)),
        Asked("s2d-tiny", settings=AnalysisSettings(window=0.5)),
    ]
    assert len({key, *(key_of(one.facts()) for one in others)}) == 5
    same = [Asked("s2d-tiny", backend="torch"), Asked("s2d-tiny", settings=AnalysisSettings(batch=7))]
    assert {key_of(one.facts()) for one in same} == {key}


def test_what_is_no_batch_is_said() -> None:
    with pytest.raises(ConfigError, match="uri"):
        Analyzer(TINY, role=roles.stub)(pyarrow.table({"path": ["a"]}))
    with pytest.raises(ConfigError, match="attempt"):
        Care(attempts=0)
    with pytest.raises(ConfigError, match="list"):
        Analyzer(TINY, role=roles.stub)([{"uri": "a.mp4"}])
    with pytest.raises(ConfigError, match="uri"):
        Analyzer(TINY, role=roles.stub)({"uri": "a.mp4"})
    with pytest.raises(ConfigError, match="status"):
        Analyzer(TINY, role=roles.stub)({"uri": ["a.mp4"], "status": ["mine"]})
    (row,) = Analyzer(TINY, role=roles.stub)({"uri": [None]}).to_pylist()
    assert (row["status"], row["error"]["fix"]) == ("unreadable", "fill it in")


def test_columns_of_the_user_name_no_answer(tmp_path: Path) -> None:
    films = sorted(str(path) for path in grey(tmp_path / "films", 2).iterdir())
    analyzer = Analyzer(TINY, str(tmp_path / "out"), role=roles.stub)
    batch = {"uri": films, "id": ["../ann", "../ann"], "size": [float("nan")] * 2, "mark": [None] * 2}
    rows = analyzer(batch).to_pylist()
    assert [row["status"] for row in rows] == ["no_face", "no_face"]
    assert len({row["frames"] for row in rows}) == 2
    assert all(Path(row["frames"]).parent.parent == tmp_path / "out" / "frames" for row in rows)


def test_another_model_than_was_planned_is_said(tmp_path: Path) -> None:
    film = str(grey(tmp_path / "films", 1) / "grey000.mp4")
    (row,) = Analyzer(TINY, role=roles.stub)({"uri": [film], "asked": ["0123"]}).to_pylist()
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert "0123" in row["error"]["expected"]


def test_a_detectors_file_is_part_of_the_question(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    given = AnalysisSettings(faces=FaceSettings(detector="given", detector_file=boxes))
    keys = set()
    for text in ("frame,x0,y0,x1,y1\n", "frame,x0,y0,x1,y1\n0,1,1,9,9\n"):
        boxes.write_text(text)
        keys.add(key_of(Asked("s2d-tiny", settings=given).facts()))
    assert len(keys) == 2


def test_one_that_is_closed_reads_nothing_more(tmp_path: Path) -> None:
    film = str(grey(tmp_path / "films", 1) / "grey000.mp4")
    analyzer = Analyzer(TINY, role=roles.stub)
    analyzer.close()
    began = time.monotonic()
    assert analyzer({"uri": [film]}).to_pylist()[0]["status"] == "failed"
    assert time.monotonic() - began < 5
    assert analyzer._child.pid is None
