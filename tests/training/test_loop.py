"""The loop: any kill and resume, number of processes, workers or parts ends in the same weights."""

import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from line_task import Line, StopError

from mien.core.errors import ConfigError, DataError
from mien.training.loop import FitPlan, fit, learning_rate

PLAN = FitPlan(epochs=3, batch=8, lr=1e-2, precision="fp32", checkpoint_minutes=0, ema=0.9, accelerator="cpu", keep=3)
PROGRAM = Path(__file__).with_name("line_task.py")


def last_checkpoint(folder: Path) -> Path:
    return max((folder / "checkpoints").glob("step-*.pt"))


def same_state(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same_state(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same_state, one, two))
    return one == two


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def run_program(folder: Path, plan: FitPlan, *flags: str, **fields: object) -> subprocess.Popen:
    text = json.dumps(dataclasses.asdict(plan) | fields)
    return subprocess.Popen([sys.executable, str(PROGRAM), str(folder), text, *flags], stderr=subprocess.PIPE)


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()[-2000:]


@pytest.mark.parametrize("stop_at", [3, 7, 10, 15])
def test_a_stopped_and_resumed_run_ends_in_the_same_state(tmp_path: Path, stop_at: int) -> None:
    whole, resumed = Line(), Line()
    fit(whole, PLAN, tmp_path / "whole")
    with pytest.raises(StopError):
        fit(Line(stop_at), PLAN, tmp_path / "parts")
    fit(resumed, PLAN, tmp_path / "parts", resume=True)
    assert 0 < resumed.steps < 21
    assert same_state(load(last_checkpoint(tmp_path / "whole")), load(last_checkpoint(tmp_path / "parts")))
    assert same_state(load(tmp_path / "whole" / "best.pt"), load(tmp_path / "parts" / "best.pt"))
    assert same_state(whole.module.state_dict(), resumed.module.state_dict())
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    scores = [[line for line in map(json.loads, log) if "score" in line] for log in logs]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, epochs=8)
    finish(run_program(tmp_path / "whole", plan))
    process = run_program(tmp_path / "killed", plan)
    while not list((tmp_path / "killed").glob("checkpoints/step-*.pt")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.03)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert load(last_checkpoint(tmp_path / "killed"))["validated"] < 56
    finish(run_program(tmp_path / "killed", plan, "--resume"))
    assert same_state(load(last_checkpoint(tmp_path / "whole")), load(last_checkpoint(tmp_path / "killed")))
    assert same_state(load(tmp_path / "whole" / "best.pt"), load(tmp_path / "killed" / "best.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_give_the_weights_of_one(tmp_path: Path, strategy: str) -> None:
    """The joint batch is the same; sums of two halves round differently, hence the tolerance.

    Without dropout, which each process draws for itself.
    """
    one, two = tmp_path / "one", tmp_path / "two"
    finish(run_program(one, PLAN, dropout=0.0))
    finish(run_program(two, PLAN, dropout=0.0, devices=2, strategy=strategy))
    expected, got = load(one / "best.pt"), load(two / "best.pt")
    assert got["figures"]["score"] == pytest.approx(expected["figures"]["score"], rel=1e-4)
    for name, tensor in expected["module"].items():
        if not name.endswith("sum"):  # of its own items: nobody adds up what processes keep for themselves
            torch.testing.assert_close(got["module"][name], tensor, atol=2e-6, rtol=1e-5)
    changed = load(last_checkpoint(one))["module"]["0.weight"] - Line(dropout=0.0).module.state_dict()["0.weight"]
    assert changed.abs().max() > 0.05


@pytest.mark.slow
def test_two_processes_resume_exactly_and_not_as_one(tmp_path: Path) -> None:
    short, long = dataclasses.replace(PLAN, devices=2, max_steps=9), dataclasses.replace(PLAN, devices=2)
    finish(run_program(tmp_path / "whole", long))
    finish(run_program(tmp_path / "parts", short))
    with pytest.raises(ConfigError, match="processes"):
        fit(Line(loaded=True), PLAN, tmp_path / "parts", resume=True)
    finish(run_program(tmp_path / "parts", long, "--resume"))
    # The stop at step 9 validated once more; all else is as if it had never been.
    whole, parts = load(last_checkpoint(tmp_path / "whole")), load(last_checkpoint(tmp_path / "parts"))
    assert same_state(whole["module"], parts["module"])
    assert same_state(whole["optimizer"], parts["optimizer"])


def test_loading_ahead_with_workers_changes_nothing(tmp_path: Path) -> None:
    states = []
    for workers in (0, 2):
        plan = dataclasses.replace(PLAN, workers=workers)
        fit(Line(loaded=True), plan, tmp_path / str(workers))
        states.append(load(last_checkpoint(tmp_path / str(workers))))
    assert same_state(*states)


class Torn(Line):
    def __init__(self) -> None:
        super().__init__()
        self.data = self

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        raise DataError("a picture", "noise in torn.jpg", "take a new copy")


@pytest.mark.parametrize("workers", [0, 2])
def test_an_item_that_cannot_be_read_is_named(tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError, match=r"torn\.jpg"):
        fit(Torn(), dataclasses.replace(PLAN, workers=workers), tmp_path)


def test_a_step_in_parts_is_the_step_at_once(tmp_path: Path) -> None:
    for parts in (1, 4):
        plan = dataclasses.replace(PLAN, accumulate=parts)
        fit(Line(loaded=True, dropout=0.0), plan, tmp_path / str(parts))
    one, four = (load(tmp_path / name / "best.pt")["module"] for name in ("1", "4"))
    for name, tensor in one.items():
        if not name.endswith("sum"):  # a part without an item takes one along, which counts nothing in the loss alone
            torch.testing.assert_close(four[name], tensor, atol=2e-6, rtol=1e-5)


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    fit(Line(), PLAN, tmp_path)
    kept = sorted((tmp_path / "checkpoints").iterdir())
    assert len(kept) == 3
    cut, flipped, whole = kept[2], kept[1], kept[0]
    cut.write_bytes(cut.read_bytes()[:-100])
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    lines: list[dict] = []
    resumed = Line()
    fit(resumed, PLAN, tmp_path, resume=True, report=lines.append)
    warnings = [line["warning"] for line in lines if "warning" in line]
    assert [cut.name in warnings[0], flipped.name in warnings[1]] == [True, True]
    assert resumed.steps == 21 - int(whole.stem.removeprefix("step-"))


def test_half_precision_keeps_full_weights(tmp_path: Path) -> None:
    fit(Line(), dataclasses.replace(PLAN, precision="bf16"), tmp_path)
    assert all(tensor.dtype == torch.float32 for tensor in load(tmp_path / "best.pt")["module"].values())


def test_it_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    lines: list[dict] = []
    plan = dataclasses.replace(PLAN, epochs=30, lr=2e-2, checkpoint_minutes=5, log_every=5)
    path = fit(Line(), plan, tmp_path, report=lines.append)
    scores = [line["score"] for line in lines if "score" in line]
    assert scores[-1] > 0.5 * scores[0]
    assert load(path)["figures"]["score"] == max(scores)
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged == [line for line in lines if "total" not in line]
    assert logged[0] == {"done": 0, "learning": 97, "parameters": 97}
    assert [line["done"] for line in lines if "total" in line] == list(range(1, 211))


def test_balanced_sampling_shows_rare_classes_as_often(tmp_path: Path) -> None:
    plain, balanced = Line(), Line()
    fit(plain, dataclasses.replace(PLAN, epochs=10), tmp_path / "plain")
    fit(balanced, dataclasses.replace(PLAN, epochs=10, balanced=True), tmp_path / "balanced")
    shares = [sum(item < 5 for item in task.seen) / len(task.seen) for task in (plain, balanced)]
    assert shares[0] == 0.1
    assert shares[1] == pytest.approx(0.5, abs=0.08)


def test_a_larger_batch_scales_the_rate() -> None:
    assert FitPlan(lr=1e-5, lr_batch=8, batch=64).peak_lr == pytest.approx(8e-5)
    assert FitPlan(lr=1e-5, batch=64).peak_lr == 1e-5


def test_tensorboard_gets_figures_and_pictures(tmp_path: Path) -> None:
    fit(Line(), dataclasses.replace(PLAN, epochs=1, tensorboard=True, log_every=2), tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"loss", "score"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"]


def test_a_finished_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(Line(), PLAN, tmp_path)
    with pytest.raises(ConfigError, match="resume"):
        fit(Line(), PLAN, tmp_path)


def test_learning_rate_warms_up_then_falls_to_its_floor() -> None:
    plan = FitPlan(warmup=0.1, min_lr=0.05)
    rates = [learning_rate(step, 100, plan) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert max(rates) == pytest.approx(1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"lr": 0.0}, {"ema": 1.0}, {"warmup": 1.5}, {"batch": 9, "devices": 2}, {"keep": 0}]
)
def test_wrong_plans_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        FitPlan(**wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("wrong", [{"accelerator": "gpu"}, {"precision": "fp16"}])
def test_what_this_machine_lacks_is_said(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(ConfigError, match="GPU"):
        fit(Line(), dataclasses.replace(PLAN, **{"accelerator": "auto"} | wrong), tmp_path)
