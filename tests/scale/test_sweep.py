"""Sweeps on this machine: every film has one row, whatever it is, and whatever happens to the program."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import roles
from pyarrow import parquet
from sweeping import WANTED, by_name, grey, rows

from mien.core.errors import ConfigError, DataError, SourceError
from mien.scale.asked import Asked
from mien.scale.engines import Orders
from mien.scale.finishing import finish
from mien.scale.ledger import Ledger
from mien.scale.manifest import Manifest
from mien.scale.running import sweep
from mien.scale.settings import Care, Crew

TINY = Asked("s2d-tiny")


def stubbed(out: Path, care: Care | None = None) -> Orders:
    return Orders(TINY, str(out), care or Care(), role=roles.stub)


def test_twelve_films_are_twelve_rows_whoever_deals_them_out(twelve: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(tmp_path / "log"))
    here, parts = tmp_path / "here", tmp_path / "parts"
    care = Care(limit=6, attempts=2)
    orders = Orders(TINY, str(here), care, role=roles.fragile)
    count = sweep([str(twelve)], str(here), crew=Crew(workers=2), orders=orders)
    found = by_name(here)
    assert {name: row["status"] for name, row in found.items()} == WANTED
    assert (count.done, count.failed) == (12, 5)
    attempts = {**dict.fromkeys(WANTED, 1), "kills.mp4": 2, "hangs.mp4": 2}
    assert {name: row["attempts"] for name, row in found.items()} == attempts
    assert Counter(Path(line).name for line in (tmp_path / "log").read_text().splitlines()) == attempts
    for name in ("torn.mp4", "empty.mp4", "hangs.mp4", "kills.mp4"):
        error = found[name]["error"]
        assert name in error["got"]
        assert error["expected"]
        assert error["fix"]
    assert "ZeroDivisionError" in found["bug.mp4"]["error"]["trace"]
    face = found["face2.mp4"]
    assert (face["faces"], face["width"], face["error"]) == (1, 640, None)
    assert face["tracks"][0]["frames"] == 8
    assert {span["track"] for span in face["spans"]} == {1}

    easy = Orders(TINY, str(parts), Care(limit=6, attempts=1), role=roles.fragile)
    sweep([str(twelve)], str(parts), engine="shard", shard="1/2", orders=easy)
    half = by_name(parts)
    assert 0 < len(half) < 12
    sweep([], str(parts), engine="shard", shard="2/2", orders=easy)
    assert {name: {**row, "attempts": 0} for name, row in by_name(parts).items()} == {
        name: {**row, "attempts": 0} for name, row in found.items()
    }


def test_what_is_done_stays_done_and_what_is_new_is_done(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    films, out = grey(tmp_path / "films", 3), tmp_path / "out"
    assert sweep([str(films)], str(out), orders=stubbed(out)).done == 3
    assert sweep([str(films)], str(out), orders=stubbed(out)).done == 0
    again = grey(tmp_path / "films", 3) / "another.mp4"
    again.write_bytes((films / "grey000.mp4").read_bytes())
    os.utime(films / "grey001.mp4", ns=(1, 1))
    count = sweep([str(films)], str(out), orders=stubbed(out))
    changed = {path.name for path in films.iterdir()}  # all were written again, so all are other films now
    assert {Path(line).name for line in log.read_text().splitlines()[3:]} == changed
    assert count.done == 4
    other = Orders(Asked("s2d-tiny", prior="trained"), str(out), role=roles.stub)
    assert sweep([str(films)], str(out), orders=other).done == 4
    assert sweep([], str(out), orders=stubbed(out)).done == 0


def test_the_users_columns_travel_along_as_they_are(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    (tmp_path / "list.csv").write_text(
        f"uri,person,place\n{films}/grey000.mp4,007,Ås\n{films}/grey001.mp4,,x\n{films}/none.mp4,008,y\n"
    )
    sweep([str(tmp_path / "list.csv")], str(out), orders=stubbed(out))
    found = by_name(out)
    assert found["grey000.mp4"]["person"] == "007"
    assert found["grey001.mp4"]["person"] is None
    assert found["grey000.mp4"]["place"] == "Ås"
    assert (found["none.mp4"]["status"], found["none.mp4"]["person"]) == ("unreadable", "008")
    typed = pyarrow.table({"uri": [str(films / "grey000.mp4")], "age": [31], "seen": [datetime.date(2026, 1, 2)]})
    parquet.write_table(typed, tmp_path / "typed.parquet")
    second = tmp_path / "second"
    sweep([str(tmp_path / "typed.parquet")], str(second), orders=stubbed(second))
    assert rows(second).select(["age", "seen"]).to_pylist() == [{"age": 31, "seen": datetime.date(2026, 1, 2)}]
    taken = pyarrow.table({"uri": [str(films / "grey000.mp4")], "status": ["mine"]})
    parquet.write_table(taken, tmp_path / "taken.parquet")
    with pytest.raises(DataError, match="status"):
        sweep([str(tmp_path / "taken.parquet")], str(tmp_path / "third"), orders=stubbed(tmp_path / "third"))


def test_the_largest_films_come_first(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    films, out = grey(tmp_path / "films", 5), tmp_path / "out"
    sweep([str(films)], str(out), crew=Crew(workers=1), orders=stubbed(out))
    assert [Path(line).name for line in log.read_text().splitlines()] == [f"grey{n:03d}.mp4" for n in range(5)]


def test_failed_films_are_done_again_when_asked(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    (films / "kills.mp4").write_bytes((films / "grey000.mp4").read_bytes())
    care = Care(attempts=3)
    sweep([str(films)], str(out), crew=Crew(workers=1), orders=Orders(TINY, str(out), care, role=roles.fragile))
    poison = by_name(out)["kills.mp4"]
    assert (poison["status"], poison["attempts"]) == ("failed", 3)
    assert sweep([], str(out), orders=stubbed(out)).done == 0
    assert sweep([], str(out), retry="timeout", orders=stubbed(out)).done == 0
    assert sweep([], str(out), retry="failed", orders=stubbed(out)).done == 1
    assert by_name(out)["kills.mp4"]["status"] == "no_face"
    with pytest.raises(ConfigError, match="failed"):
        sweep([], str(out), retry="done", orders=stubbed(out))


def test_a_film_that_changed_after_it_was_listed_says_so(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    assert sweep([str(films)], str(out), plan=True, orders=stubbed(out)).films == 2
    (films / "grey000.mp4").write_bytes(b"another")
    (films / "grey001.mp4").unlink()
    sweep([], str(out), orders=stubbed(out))
    found = by_name(out)
    assert {name: row["status"] for name, row in found.items()} == dict.fromkeys(found, "unreadable")
    assert "another one" in found["grey000.mp4"]["error"]["got"]
    assert "none at" in found["grey001.mp4"]["error"]["got"]


def test_a_program_that_is_killed_loses_nothing_and_doubles_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    monkeypatch.setenv("SWEEP_SECONDS", "0.2")
    films, out = grey(tmp_path / "films", 16), tmp_path / "out"
    program = [sys.executable, str(Path(roles.__file__)), "local", "stub", str(out), str(films)]
    moments = np.random.default_rng(5).uniform(0.1, 0.8, 3)
    begun = 0
    for moment in moments:
        process = subprocess.Popen(program, stdout=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + 60
        while process.poll() is None and len(log.read_text().splitlines() if log.exists() else []) <= begun:
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        begun = len(log.read_text().splitlines())
    last = subprocess.run(program, capture_output=True, text=True, check=True)
    assert '"failed": 0' in last.stdout
    assert sorted(by_name(out)) == sorted(path.name for path in films.iterdir())
    began = Counter(log.read_text().splitlines())
    # Done again is only what was in work at a kill: two films each time.
    assert began.total() <= 16 + 2 * len(moments)
    assert len(began) == 16


def test_ctrl_c_keeps_the_rows_of_what_is_done(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SWEEP_SECONDS", "0.2")
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    films, out = grey(tmp_path / "films", 30), tmp_path / "out"
    program = [sys.executable, str(Path(roles.__file__)), "local", "stub", str(out), str(films)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) < 6:
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) != 0
    assert 0 < len(by_name(out)) < 30
    assert not list(out.rglob(".mien-*"))


def test_a_model_that_does_not_load_is_said_once_and_no_row_is_written(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    with pytest.raises(SourceError, match="install it again"):
        sweep([str(films)], str(out), orders=Orders(TINY, str(out), role=roles.broken))
    assert Ledger(str(out)).parts() == []
    with pytest.raises(ConfigError, match="did you mean s2d-tiny"):
        sweep([str(films)], str(out), Asked("s2d-tin"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"engine": "spark"}, "engine"),
        ({"shard": "1/2"}, "shard"),
        ({"engine": "shard"}, "shard"),
        ({"engine": "shard", "shard": "3/2"}, "shard i/n"),
        ({"sources": []}, "planned"),
        ({"sources": ["nothing-here"]}, "films or pictures"),
        ({"sources": ["typo.mp4"]}, "none at .*typo"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, given: dict[str, object], expected: str) -> None:
    films = grey(tmp_path / "films", 1)
    (tmp_path / "nothing-here").mkdir()
    sources = [str(tmp_path / one) for one in given.pop("sources", [films])]
    with pytest.raises(ConfigError, match=expected):
        sweep(sources, str(tmp_path / "out"), TINY, **given)


def test_shards_are_the_whole_and_a_film_stays_in_its_own(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 12), tmp_path / "out"
    sweep([str(films)], str(out), plan=True, orders=stubbed(out))
    done = [sweep([], str(out), engine="shard", shard=f"{n}/3", orders=stubbed(out)).done for n in (1, 2, 3)]
    assert sum(done) == 12
    assert len(by_name(out)) == 12


def test_a_film_that_is_again_what_it_was_has_its_old_answer_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    films, out = grey(tmp_path / "films", 1), tmp_path / "out"
    film = films / "grey000.mp4"
    first = film.read_bytes()
    for content, time_ns, begun in ((first, 10**18, 1), (first + b"more", 2 * 10**18, 2), (first, 10**18, 2)):
        film.write_bytes(content)
        os.utime(film, ns=(time_ns, time_ns))
        sweep(films, out, orders=stubbed(out))
        assert len(log.read_text().splitlines()) == begun
        newest = Manifest(str(out)).current().to_pylist()
        assert [row["size"] for row in newest] == [len(content)]
        assert sweep([], out, orders=stubbed(out)).films == 0


def test_columns_that_change_their_kind_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    for name, age in (("a", 31), ("b", "old")):
        table = pyarrow.table({"uri": [str(films / f"grey00{'ab'.index(name)}.mp4")], "age": [age]})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    sweep([tmp_path / "a.parquet"], out, orders=stubbed(out))
    with pytest.raises(DataError, match="age"):
        sweep([tmp_path / "b.parquet"], out, orders=stubbed(out))
    with pytest.raises(DataError, match="age"):
        sweep(
            [tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "second", orders=stubbed(tmp_path / "second")
        )
    assert sweep(tmp_path / "a.parquet", out, orders=stubbed(out)).before == 1


@pytest.mark.parametrize("name", ["label", "Status", "start"])
def test_columns_with_names_of_ours_are_refused(tmp_path: Path, name: str) -> None:
    films, out = grey(tmp_path / "films", 1), tmp_path / "out"
    (tmp_path / "list.csv").write_text(f"uri,{name}\n{films}/grey000.mp4,x\n")
    with pytest.raises(DataError, match=name):
        sweep(tmp_path / "list.csv", out, orders=stubbed(out))


@pytest.mark.parametrize("out", ["", " ", "memory://results"])
def test_a_place_that_does_not_stay_is_refused(tmp_path: Path, out: str) -> None:
    with pytest.raises(ConfigError, match="a place for results that stays"):
        sweep([grey(tmp_path / "films", 1)], out, TINY)


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    sweep(films, out, orders=stubbed(out))
    (part,) = (Path(uri) for uri in Ledger(str(out)).parts())
    whole = part.read_bytes()
    for damaged in (whole[:100], b"", b"PAR1"):
        part.write_bytes(damaged)
        with pytest.raises(SourceError, match=part.name):
            sweep(films, out, orders=stubbed(out))
    parquet.write_table(pyarrow.table({"x": [1]}), part)
    with pytest.raises(SourceError, match=part.name):
        sweep(films, out, orders=stubbed(out))
    part.unlink()
    assert sweep(films, out, orders=stubbed(out)).done == 2  # known by their frames
    (question,) = (out / "asked").iterdir()
    question.write_text("[]")
    with pytest.raises(SourceError, match=question.name):
        finish(str(out))


def test_the_package_offers_functions_under_the_names_it_gives(tmp_path: Path) -> None:
    code = "from mien.scale import sweep, finish, Analyzer; import mien; print(sweep is mien.sweep, callable(finish))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "True True\n"
