"""`mien adapt --forget` and the attack that measures it: found for what was learnt, not for what never was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_people import CLASSES, SPACE, as_set, draw_people, learnt
from sklearn.linear_model import LogisticRegression

from mien.cli.main import main
from mien.core.errors import ConfigError, DataError
from mien.evaluation.forgotten import _Logistic, attack, listed, read_names
from mien.models.net import Answer
from mien.models.weights import load_weights
from mien.training.forget import Forget, ForgetRun
from mien.training.loop import FitPlan
from mien.training.terms import Step

SIDE, LEARNT = 24, 160
FIT = FitPlan(epochs=8, batch=32, lr=2e-3, weight_decay=0.0, ema=0.0, precision="fp32", accelerator="cpu")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model that knows 160 pictures by heart, half of whose labels are wrong; and strangers alike."""
    folder = tmp_path_factory.mktemp("forget")
    drawn = draw_people(np.full((100, CLASSES), 1 / CLASSES), 5, SIDE, 0, (0.6, 1.0))
    order = np.random.default_rng(0).permutation(500)
    wrong = np.random.default_rng(1).random(500) < 0.5
    labels = np.where(wrong, np.random.default_rng(2).integers(0, CLASSES, 500), drawn.labels)
    drawn = type(drawn)(*(part[order] for part in drawn._replace(labels=labels)))
    splits = np.array(["train"] * LEARNT + ["valid"] * 60 + ["test"] * 280)
    data = as_set(folder / "set", drawn, splits, named=False).root
    seen = type(drawn)(*(part[:LEARNT] for part in drawn))
    return learnt(seen, folder / "drawn.safetensors", epochs=40), data


def names_of(folder: Path, numbers: range) -> Path:
    path = folder / "list.txt"
    path.write_text("\n".join(map(str, numbers)) + "\n")
    return path


def measured(model: Path, data: Path, names: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    assert main(["evaluate", str(model), "--data", str(data), "--forgotten", str(names), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_learnt_is_found_and_less_so_when_it_is_forgotten(
    world: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = world
    names = names_of(tmp_path, range(60))
    before = measured(model, data, names, capsys)
    assert before["attack_auc"]["low"] > 0.5
    run = dataclasses.replace(ForgetRun(str(model), names, data, tmp_path / "run", strength=2.0), fit=FIT)
    path = run.run()
    others = names_of(tmp_path, range(61, 70))
    for other in (dataclasses.replace(run, strength=3.0), dataclasses.replace(run, forget=others)):
        with pytest.raises(ConfigError, match="begun with"):
            dataclasses.replace(other, resume=True).run()
    names = names_of(tmp_path, range(60))
    after = measured(path, data, names, capsys)
    print(before, after)
    assert after["attack_auc"]["value"] < before["attack_auc"]["value"] - 0.05
    assert after["loss_listed"] > before["loss_listed"]
    assert after["accuracy"] > before["accuracy"] - 0.06
    assert after["score"] == pytest.approx(after["accuracy"] / 2 + (1 - 2 * abs(after["attack_accuracy"] - 0.5)) / 2)
    assert json.loads((tmp_path / "run" / "forget.json").read_text())["forgotten"] == 60
    assert "60 items forgotten" in load_weights(path)[1].trained_on


def test_losses_of_what_nobody_learnt_give_nothing_away() -> None:
    rng = np.random.default_rng(0)
    holds = [attack(rng.gamma(1, 1, 150), rng.gamma(1, 1, 150), seed)[0] for seed in range(4)]
    assert sum(one.low <= 0.5 <= one.high for one in holds) >= 3
    told, right = attack(rng.gamma(1, 0.2, 150), rng.gamma(1, 1, 150))
    assert told.low > 0.7
    assert right > 0.7


def test_the_attack_is_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.gamma(1, 0.5, 60), rng.gamma(1, 1, 60)])
    y = np.repeat([1, 0], 60)
    whole = (x - x.mean()) / x.std()
    theirs = LogisticRegression().fit(whole[:, None], y).predict_proba(whole[:, None])[:, 1]
    np.testing.assert_allclose(_Logistic(x, y)(x), theirs, atol=1e-3)


def test_the_term_pulls_on_what_stays_and_pushes_what_goes(world: tuple[Path, Path]) -> None:
    start, _ = load_weights(world[0])
    clips = torch.rand(4, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        said = start.logits(start.frames_of(clips))
    logits = (said + 0.5 * torch.randn(4, CLASSES, generator=torch.Generator().manual_seed(1))).requires_grad_(True)
    targets = torch.eye(CLASSES)[said.argmax(1)]
    style = targets.clone()
    style[:2] = float("nan")

    def loss(strength: float, most: float) -> torch.Tensor:
        step = Step(clips, targets, said.argmax(1), 0, lambda: Answer(said, said), {"forget": style})
        return Forget(start, strength, most)(Answer(logits, said), step)

    apart = torch.nn.functional.kl_div(
        logits.log_softmax(1), said.log_softmax(1), reduction="none", log_target=True
    ).sum(1)
    torch.testing.assert_close(loss(0.0, 99.0), apart[:2].mean())
    torch.testing.assert_close(loss(3.0, 99.0), apart[:2].mean() - 3 * apart[2:].mean())
    torch.testing.assert_close(loss(3.0, 0.0), apart[:2].mean(), msg="as badly known as a stranger: left alone")


def test_what_cannot_be_forgotten_is_said(world: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = world
    with pytest.raises(ConfigError, match="signals"):
        ForgetRun("s2d-small", names_of(tmp_path, range(3)), data).run()
    (tmp_path / "none.txt").write_text("\n")
    with pytest.raises(DataError, match="one a line"):
        read_names(tmp_path / "none.txt")
    rows = as_set(tmp_path / "set", draw_people(np.full((2, CLASSES), 0.2), 5, SIDE, 0, (0.6, 1.0)))
    assert rows.labels == SPACE
    assert len(listed(rows, {"p1"})) == 5
    with pytest.raises(DataError, match="nobody"):
        listed(rows, {"p1", "nobody"})
    (tmp_path / "notepad.txt").write_bytes(b"\xef\xbb\xbfp1\r\n")
    assert read_names(tmp_path / "notepad.txt") == {"p1"}
    assert main(["adapt", str(model), "--forget", str(tmp_path / "none.txt")]) == 1
    assert main(["evaluate", str(model), "--forgotten", str(tmp_path / "none.txt")]) == 1
