"""Checkpoints that disks and kills have damaged: the one before is taken, and said; the log goes with it."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from line_task import Line

from mien.core.errors import ConfigError
from mien.training.checkpoints import Checkpoints
from mien.training.logs import Log
from mien.training.loop import FitPlan, fit

PLAN = FitPlan(epochs=3, batch=8, lr=1e-2, precision="fp32", checkpoint_minutes=0, ema=0.9, accelerator="cpu", keep=3)


def resumed(folder: Path, plan: FitPlan = PLAN) -> tuple[Line, list[str]]:
    task, lines = Line(), []
    fit(task, plan, folder, resume=True, report=lines.append)
    return task, [line["warning"] for line in lines if "warning" in line]


@pytest.fixture
def states(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path / "checkpoints", 3)
    for step in (1, 2):
        checkpoints.save({"step": step, "a": torch.full((30, 30), float(step))}, step)
    return checkpoints


def test_any_flipped_bit_is_noticed(states: Checkpoints) -> None:
    path = states.folder / "step-00000002.pt"
    data = path.read_bytes()
    for place in range(0, len(data), 37):
        for bit in (0, 5, 7):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            said: list[str] = []
            state = states.latest(said.append)
            assert state is not None
            assert torch.equal(state["a"], torch.full((30, 30), float(state["step"]))), (place, bit)
            assert state["step"] == 2 or "step-00000002.pt is torn: going on from the checkpoint before" in said[0]


def test_a_directory_that_is_no_text_is_noticed(states: Checkpoints) -> None:
    path = states.folder / "step-00000002.pt"
    data = bytearray(path.read_bytes())
    entry = data.rfind(b"PK\1\2")
    data[entry + 48], data[entry + 9] = 0xE5, data[entry + 9] | 8
    path.write_bytes(data)
    said: list[str] = []
    state = states.latest(said.append)
    assert state is not None
    assert (state["step"], len(said)) == (1, 1)


@pytest.mark.parametrize("content", [b"", b"PK", b"half a file", b"\0" * 5000])
def test_what_is_no_checkpoint_is_passed_over(states: Checkpoints, content: bytes) -> None:
    (states.folder / "step-00000002.pt").write_bytes(content)
    said: list[str] = []
    assert states.latest(said.append)["step"] == 1
    (states.folder / "step-00000001.pt").write_bytes(content)
    assert states.latest(said.append) is None
    assert said[-1].startswith(str(states.folder / "step-00000001.pt"))
    assert "beginning anew" in said[-1]


def test_a_run_whose_checkpoints_are_all_torn_begins_anew(tmp_path: Path) -> None:
    fit(Line(), PLAN, tmp_path)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    task, said = resumed(tmp_path)
    assert task.steps == 21
    assert "beginning anew" in said[-1]
    done = [json.loads(line)["done"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert done == sorted(done)


@pytest.mark.parametrize("line", ['{"done"', '{"done": 7, "loss": 0.', "[1]", '"x"', "7", "\xff\xfe", '{"done": "x"}'])
def test_half_a_line_of_the_log_is_dropped_and_said(tmp_path: Path, line: str) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"done": 1}\n{"done": 9}\n' + line.encode("latin-1"))
    said: list[dict] = []
    Log(tmp_path, said.append, False, True).forget_after(1)
    assert (tmp_path / "log.jsonl").read_text() == '{"done": 1}\n'
    assert "1 torn lines" in said[0]["warning"]


def test_a_run_killed_in_a_line_of_its_log_is_resumed(tmp_path: Path) -> None:
    fit(Line(), dataclasses.replace(PLAN, max_steps=9), tmp_path)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"done": 9, "lo')
    _, said = resumed(tmp_path)
    assert "torn lines" in said[0]
    done = [json.loads(line)["done"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert done[-1] == 21


@pytest.mark.parametrize("max_steps", [9, 0])
def test_a_torn_best_epoch_is_said_and_made_again(tmp_path: Path, max_steps: int) -> None:
    fit(Line(), dataclasses.replace(PLAN, max_steps=max_steps), tmp_path)
    best = tmp_path / "best.pt"
    best.write_bytes(best.read_bytes()[: best.stat().st_size // 2])
    _, said = resumed(tmp_path)
    assert "best.pt is torn" in said[0]
    assert torch.load(best, weights_only=True)["figures"]["score"] < 0


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    fit(Line(), dataclasses.replace(PLAN, max_steps=3), tmp_path)
    last = max((tmp_path / "checkpoints").iterdir())
    state = torch.load(last, weights_only=True)
    for wrong in ({"a": 1}, {**state, "module": {"0.weight": torch.zeros(2, 2)}}, {**state, "generators": [1]}):
        torch.save(wrong, last)
        with pytest.raises(ConfigError, match="a checkpoint of this run"):
            resumed(tmp_path)
