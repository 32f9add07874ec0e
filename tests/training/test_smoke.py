"""The smoke run, killed while it writes its data: whatever is there, the next one makes the rest."""

from pathlib import Path

import pytest

from mien.core.errors import ConfigError
from mien.data.datasets import find_dataset
from mien.data.synthetic import write_synthetic
from mien.training.plan import FitPlan
from mien.training.smoke import SmokeRun

FIT = FitPlan(epochs=1, batch=8, lr=1e-3, max_steps=1)


@pytest.mark.parametrize("kept", ["manifest.csv", "items.csv", "frames"])
def test_killed_between_two_files_it_goes_on(tmp_path: Path, kept: str) -> None:
    data = tmp_path / "data"
    write_synthetic(data, "motion", 16, 8, 8, 4)
    find_dataset("synthetic").read(data).save(data)
    order = ["frames", "items.csv", "synthetic.json", "manifest.csv", "set.json"]
    assert {path.name for path in data.iterdir()} == set(order)
    for name in order[order.index(kept) + 1 :]:
        (data / name).unlink()
    (data / "frames" / "train-00000" / ".000.123.png").write_bytes(b"half a draft")
    path = SmokeRun(tmp_path, clips=16, fit=FIT).run()
    assert path.is_file()


def test_a_name_that_leaves_the_folder_is_refused_before_the_work(tmp_path: Path) -> None:
    from mien.training.finish import write_facts

    class Run:
        name, data, out = "../escaped", tmp_path, tmp_path

    with pytest.raises(ConfigError, match="plain name"):
        write_facts(Run(), "x")
