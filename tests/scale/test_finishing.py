"""The results of a sweep as files for analysis, read as users read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import roles
from pyarrow import dataset
from sweeping import grey, shorten

from mien.cli.main import main
from mien.core.errors import ConfigError
from mien.scale.asked import Asked
from mien.scale.engines import Orders
from mien.scale.finishing import finish
from mien.scale.ledger import Ledger
from mien.scale.running import sweep
from mien.scale.stores import read_table, write_table

TINY = Asked("s2d-tiny")


def test_spans_failures_and_sums_are_of_what_was_listed_last(
    tmp_path: Path, sample_clip: Callable[[str], Path]
) -> None:
    films, out = grey(tmp_path / "films", 1), tmp_path / "out"
    shorten(sample_clip("single_face.mp4"), films / "face.mp4", 9)
    (films / "torn.mp4").write_bytes(b"no film")
    lines = [f"{films}/{name},x,p{name}" for name in ("face.mp4", "torn.mp4", "grey000.mp4")]
    (tmp_path / "a.csv").write_text("\n".join(["uri,site,person", *lines]))
    sweep([str(tmp_path / "a.csv")], str(out), TINY)
    summary = finish(str(out))
    assert (summary["films"], summary["without_row"], summary["failed"]) == (3, 0, 1)
    assert summary["by_status"] == {"done": 1, "no_face": 1, "unreadable": 1, "timeout": 0, "failed": 0}
    assert summary == json.loads((out / "summary.json").read_text())
    spans = pd.read_parquet(out / "spans")
    assert set(spans["person"]) == {"pface.mp4"}
    assert summary["spans"] == len(spans) > 0
    seconds = spans[~spans.abstained].groupby("label").apply(lambda g: (g.end - g.start).sum(), include_groups=False)
    assert summary["shown_seconds"] == pytest.approx(seconds.to_dict(), abs=0.06)
    failures = pl.read_parquet(out / "failures.parquet")
    assert failures["person"].to_list() == ["ptorn.mp4"]
    assert failures["error"].struct.field("got")[0]
    frames = dataset.dataset(out / "frames", partitioning="hive").to_table().to_pandas()
    assert len(frames) == 9
    assert set(frames["id"]) <= set(spans["id"])

    (films / "torn.mp4").write_bytes((films / "grey000.mp4").read_bytes())
    sweep([str(films)], str(out), TINY)
    assert finish(str(out))["by_status"] == {"done": 1, "no_face": 2, "unreadable": 0, "timeout": 0, "failed": 0}


def test_a_film_that_two_did_counts_once(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 3), str(tmp_path / "out")
    sweep([str(films)], out, orders=Orders(TINY, out, role=roles.stub))
    (part,) = Ledger(out).parts()
    write_table(f"{out}/videos/20990101T000000-other-000001.parquet", read_table(part).slice(0, 2))
    assert finish(out)["by_status"]["no_face"] == 3


def test_a_sweep_that_is_half_done_says_so(tmp_path: Path) -> None:
    films, out = grey(tmp_path / "films", 8), str(tmp_path / "out")
    orders = Orders(TINY, out, role=roles.stub)
    sweep([str(films)], out, plan=True, orders=orders)
    with pytest.raises(ConfigError, match="run it first"):
        finish(out)
    done = sweep([], out, engine="shard", shard="1/2", orders=orders).done
    summary = finish(out)
    assert (summary["films"], summary["without_row"]) == (8, 8 - done)
    with pytest.raises(ConfigError, match="begin one"):
        finish(str(tmp_path / "nowhere"))


def test_the_command_does_lists_and_finishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films, out = grey(tmp_path / "films", 2), tmp_path / "out"
    common = ["-o", str(out), "--model", "s2d-tiny", "--json"]
    assert main(["sweep", str(films), *common, "--plan"]) == 0
    assert json.loads(capsys.readouterr().out)["films"] == 2
    assert main(["sweep", *common, "--every", "2"]) == 1
    assert "planned for these settings" in capsys.readouterr().err
    assert main(["sweep", *common, "--workers", "1"]) == 0
    assert main(["sweep", "-o", str(out), "--finish", "--json"]) == 0
    run, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (run["done"], run["by_status"], summary["films"]) == (2, {"no_face": 2}, 2)
    assert main(["sweep", str(films), "-o", str(out), "--model", "s2d-tiny"]) == 0
    assert "0 of 0 films done, 2 had been" in capsys.readouterr().out
    assert main(["sweep", str(films), "-o", str(out), "--shard", "1/2"]) == 1
    assert "--engine shard" in capsys.readouterr().err
