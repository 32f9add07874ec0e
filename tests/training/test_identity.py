"""Features that know less of who somebody is: the reversed gradient, batches by person, what strangers gain."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_people import CLASSES, SPACE, Pictures, as_set, draw_people, right

from mien.core.errors import ConfigError
from mien.data.mixing import Mixing
from mien.data.sampling import epoch_order
from mien.data.transforms import Augmentation
from mien.models.cnn import CnnConfig
from mien.models.net import Answer
from mien.models.weights import load_weights
from mien.training.identity import (
    Adversary,
    IdentitySettings,
    Matched,
    centred,
    person_probe,
    ramp,
    reverse,
)
from mien.training.labelled import LabelledRun, LabelledTask
from mien.training.loop import FitPlan
from mien.training.recipe import FaceRecipe
from mien.training.terms import Setting, Step

SIDE = 24
FIT = FitPlan(epochs=8, batch=32, lr=4e-3, precision="fp32", ema=0.0, accelerator="cpu")
RECIPE = FaceRecipe(
    model=CnnConfig(SIDE, (8, 16, 32), 1, CLASSES, 0.0), augmentation=Augmentation(), sizes=(), frames=1, score="last"
)
SETTING = Setting(SPACE, 6, torch.ones(CLASSES), people=4)


def step(subjects: list[int], progress: float = 1.0) -> Step:
    labels = torch.arange(len(subjects)) % CLASSES
    targets = torch.eye(CLASSES)[labels]
    clips, who = torch.zeros(len(labels), 1, 1, 2, 2), torch.tensor(subjects)
    return Step(clips, targets, labels, 0, lambda: answer_of(torch.zeros(1, 6)), {}, None, {}, who, progress)


def answer_of(feature: torch.Tensor) -> Answer:
    return Answer(feature @ torch.ones(6, CLASSES), feature)


def test_the_gradient_is_minus_lambda_times_the_finite_difference() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(6, 4).double(), torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    names = torch.tensor([0, 1, 2, 3, 0])

    def loss(at: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(layer(at), names)

    torch.nn.functional.cross_entropy(layer(reverse(x, 0.7)), names).backward()
    plain = torch.zeros_like(x)
    for place in np.ndindex(*x.shape):
        nudge = torch.zeros_like(x)
        nudge[place] = 1e-6
        plain[place] = (loss(x + nudge) - loss(x - nudge)).item() / 2e-6
    torch.testing.assert_close(x.grad, -0.7 * plain, atol=1e-7, rtol=1e-6)
    assert torch.equal(reverse(x, 0.7), x)


@pytest.mark.parametrize("given", [False, True])
def test_the_adversary_learns_forwards_and_the_feature_backwards(given: bool) -> None:
    term = Adversary(SETTING, IdentitySettings(0.5, given))
    feature = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    who = [0, 1, -1, 3, 2, -1]
    term(answer_of(feature), step(who)).backward()
    assert feature.grad is not None
    assert feature.grad.abs().sum(1).bool().tolist() == [one >= 0 for one in who]
    backward, feature.grad = feature.grad.clone(), None
    term(answer_of(feature), step(who, progress=0.0)).backward()
    assert feature.grad.abs().sum() == 0, "at the start the feature is left alone"
    eased = feature.detach() - 0.1 * backward
    with torch.no_grad():
        assert term(answer_of(eased), step(who)) > term(answer_of(feature), step(who)), "it becomes harder to tell"
    assert term(answer_of(feature), step([-1] * 6)).item() == 0


def test_the_strength_rises_over_the_training() -> None:
    assert (ramp(0.0), round(ramp(0.1), 4), round(ramp(1.0), 4)) == (0.0, 0.4621, 0.9999)


def test_batches_by_person_show_everything_once() -> None:
    groups = torch.arange(120) % 6
    order = epoch_order(None, 120, False, torch.Generator().manual_seed(0), (groups, 8))
    assert sorted(order.tolist()) == list(range(120))
    assert max(len(torch.unique(groups[some])) for some in order.split(32)) <= 5
    again = epoch_order(None, 120, False, torch.Generator().manual_seed(1), (groups, 8))
    assert order.tolist() != again.tolist()
    with pytest.raises(ConfigError, match="balanced"):
        epoch_order(groups, 120, True, torch.Generator(), (groups, 8))


def test_centring_takes_out_who_it_is_and_nothing_else() -> None:
    rng = torch.Generator().manual_seed(0)
    shown, habit = torch.randn(4, 6, generator=rng), torch.randn(3, 6, generator=rng)
    feature = (shown[None] + habit[:, None]).reshape(12, 6)
    who = torch.arange(3).repeat_interleave(4)
    found = centred(answer_of(feature), who)
    # Who shows the same things is the same once centred.
    torch.testing.assert_close(found.feature[:4], found.feature[4:8])
    torch.testing.assert_close(found.feature.mean(0), feature.mean(0))
    torch.testing.assert_close(found.logits, answer_of(found.feature).logits)
    alone = centred(answer_of(feature), torch.tensor([-1] * 11 + [0]))
    assert torch.equal(alone.feature, feature)


def test_matching_reads_the_others_and_not_the_first_person() -> None:
    torch.manual_seed(0)
    for official in (False, True):
        term = Matched(SETTING, official)
        feature = torch.rand(8, 6).requires_grad_(True)
        loss = term(answer_of(feature), step([0, 0, 0, 1, 1, 1, 2, -1]))
        loss.backward()
        assert loss.isfinite()
        assert term.head.weight.grad.abs().sum() > 0
        assert term(answer_of(feature), step([0] * 8)).item() == 0


def test_a_probe_finds_people_that_are_there_and_none_that_are_not() -> None:
    rng = np.random.default_rng(0)
    who = np.arange(400) % 8
    told, chance = person_probe(np.eye(8)[who] + rng.normal(0, 0.2, (400, 8)), who)
    blind, _ = person_probe(rng.normal(0, 1, (400, 8)), who)
    assert told > 0.95
    assert blind < 0.25
    assert 0.125 <= chance < 0.2


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Pictures]]:
    """Twenty people who show one expression in nine of ten pictures, and sixty strangers who show all alike."""
    made = []
    favourite = np.full((20, CLASSES), 0.025) + np.eye(CLASSES)[np.arange(20) % CLASSES] * 0.875
    for seed in (0, 1):
        train = draw_people(favourite, 30, SIDE, seed, (0.4, 1.0))
        held = draw_people(np.full((5, CLASSES), 0.2), 10, SIDE, 500 + seed, (0.4, 1.0))
        pairs = zip(train, held._replace(people=held.people + 100), strict=True)
        both = Pictures(*map(np.concatenate, pairs))
        splits = np.array(["train"] * len(train.labels) + ["valid"] * len(held.labels))
        data = as_set(tmp_path_factory.mktemp("people") / "set", both, splits).root
        made.append((data, draw_people(np.full((60, CLASSES), 0.2), 12, SIDE, 900 + seed, (0.4, 1.0))))
    return made


def run_of(data: Path, out: Path, seed: int, settings: IdentitySettings, epochs: int = FIT.epochs) -> LabelledRun:
    plan = dataclasses.replace(FIT, seed=seed, epochs=epochs)
    return LabelledRun(data, out, name="drawn", fit=plan, recipe=dataclasses.replace(RECIPE, identity=settings))


def test_strangers_are_read_better_when_the_feature_forgets_people(
    people: list[tuple[Path, Pictures]], tmp_path: Path
) -> None:
    gains = []
    for seed, (data, strangers) in enumerate(people):
        plain = run_of(data, tmp_path / f"plain{seed}", seed, IdentitySettings()).run()
        less = run_of(data, tmp_path / f"less{seed}", seed, IdentitySettings(0.5)).run()
        scores = load_weights(less)[1].scores
        accuracy = [right(path, strangers).mean() for path in (plain, less)]
        print(f"plain {accuracy[0]:.3f}, reversed {accuracy[1]:.3f}, {scores}")
        gains.append(accuracy[1] - accuracy[0])
        assert not any("person" in name for name in load_weights(plain)[1].scores)
        assert scores["set_train_person_probe"] > scores["set_train_person_chance"]
    assert np.mean(gains) > 0.015


def test_off_changes_no_weight_and_no_draw(people: list[tuple[Path, Pictures]], tmp_path: Path) -> None:
    """A set that names people, and the same without names: nothing reads them."""
    data = people[0][0]
    text = (data / "manifest.csv").read_text().splitlines()
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "set.json").write_bytes((data / "set.json").read_bytes())
    (bare / "faces.npz").write_bytes((data / "faces.npz").read_bytes())
    (bare / "manifest.csv").write_text("\n".join([text[0], *(_without_subject(line) for line in text[1:])]) + "\n")
    one, other = (
        load_weights(run_of(where, tmp_path / where.name, 0, IdentitySettings(), 1).run())[0].state_dict()
        for where in (data, bare)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def _without_subject(line: str) -> str:
    cells = line.split(",")
    cells[6] = ""
    return ",".join(cells)


def test_a_stopped_run_with_matching_goes_on_to_the_same_weights(
    people: list[tuple[Path, Pictures]], tmp_path: Path
) -> None:
    settings = IdentitySettings(0.5, match="item", centre=True)
    whole, stopped = (run_of(people[0][0], tmp_path / name, 0, settings, 2) for name in ("whole", "stopped"))
    dataclasses.replace(stopped, fit=dataclasses.replace(stopped.fit, max_steps=7)).run()
    one, other = (load_weights(run.run())[0].state_dict() for run in (whole, dataclasses.replace(stopped, resume=True)))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_done_is_said(people: list[tuple[Path, Pictures]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mixed"):
        dataclasses.replace(RECIPE, identity=IdentitySettings(0.5), mixing=Mixing())
    with pytest.raises(ConfigError, match="strength"):
        IdentitySettings(-1.0)
    with pytest.raises(ConfigError, match=r"with --recipe\.identity\.given-label"):
        IdentitySettings(given_label=True)
    nobody = as_set(tmp_path / "nobody", people[0][1], named=False)
    run = run_of(nobody.root, tmp_path / "run", 0, IdentitySettings(0.5))
    with pytest.raises(ConfigError, match="subjects"):
        LabelledTask(nobody, nobody, run.first(nobody), run.recipe, 0)
