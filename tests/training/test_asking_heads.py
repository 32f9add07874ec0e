"""Heads that ask the patch tokens, beside one another on drawn faces: `queries` and `two-way`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from drawn_signals import drawn

from mien.evaluation.runs import open_run
from mien.evaluation.signals import measure_signals
from mien.models.cnn import CnnConfig
from mien.training.labelled import LabelledRun
from mien.training.loop import FitPlan
from mien.training.recipe import FaceRecipe

FIT = FitPlan(batch=32, lr=3e-3, precision="fp32", ema=0.9, accelerator="cpu")
NET = CnnConfig(classes=5, input_size=32, widths=(16, 32, 64), convolutions=1, dropout=0.0)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(3))
def test_two_way_needs_longer_and_then_is_as_good(seed: int, tmp_path: Path) -> None:
    faces = drawn(tmp_path / "set", {"train": 500, "valid": 60, "test": 150}, seed, blank=0.33)
    found = {}
    for kind in ("queries", "two-way"):
        for epochs in (11, 40):
            recipe = FaceRecipe(model=NET, score="last", heads=(f"affect={kind}", f"units={kind}"))
            fit = replace(FIT, epochs=epochs, seed=seed)
            path = LabelledRun(faces.root, tmp_path / f"{kind}{epochs}", name="drawn", fit=fit, recipe=recipe).run()
            measured = measure_signals(open_run(str(path)).model, faces.select("test"))
            assert measured is not None
            found[kind, epochs] = {one.signal.name: one.value.value for one in measured.found}
            print(seed, kind, epochs, found[kind, epochs])
    assert found["two-way", 11]["affect"] < found["queries", 11]["affect"] - 0.1
    assert found["two-way", 40]["affect"] > found["queries", 40]["affect"] - 0.02
