"""Three hundred damaged inputs, always the same: a result or an error in three parts, soon, in bounded memory.

The long run is ``python tests/fuzz.py --count 10000 --seed S``.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import fuzz
import fuzz_kinds

SEED = 20260
SHARES = {"media": 120, "weights": 70, "tables": 60, "runs": 50}
MOST_SECONDS, MOST_KEPT = 60, 400 << 20
"""For all of them: seconds of computing, and bytes that are still there in the end."""


def test_damage_never_ends_in_a_traceback(tmp_path: Path) -> None:
    start, before = time.process_time(), fuzz.resident()
    outcomes = [fuzz.attempt(kind, SEED, n, tmp_path) for kind, share in SHARES.items() for n in range(share)]
    assert len(outcomes) == 300
    faults = [outcome for outcome in outcomes if outcome.status == "fault"]
    assert not faults, "\n\n".join(f"{one.kind} {one.number} ({one.what}): {one.detail}" for one in faults)
    for kind in SHARES:
        # Damage that always hits, or never, would try nothing behind the first check.
        assert {one.status for one in outcomes if one.kind == kind} == {"result", "error"}
    assert time.process_time() - start < MOST_SECONDS
    assert fuzz.resident() - before < MOST_KEPT


@pytest.mark.parametrize("kind", SHARES)
def test_an_input_is_made_of_seed_kind_and_number_alone(kind: str, tmp_path: Path) -> None:
    assert all(fuzz.same_inputs(kind, SEED, number, tmp_path / str(number)) for number in range(3))


def test_what_is_damaged_was_sound(tmp_path: Path) -> None:
    films = fuzz.kind_in("media", tmp_path)
    frames = {name: fuzz_kinds.frames_of(tmp_path / name) for name in films.names}
    assert len(frames) >= 12
    assert {count for name, count in frames.items() if name.startswith("still")} == {1}
    films_alone = [count for name, count in frames.items() if not name.startswith(("still", "pages", "motion"))]
    assert set(films_alone) == {fuzz_kinds.FRAMES}


def test_a_crash_is_laid_to_its_input(tmp_path: Path) -> None:
    lines = [*fuzz.chunk("crash", 0, 0, 3, tmp_path)]
    assert [(one.number, one.status) for one in lines] == [(0, "result"), (1, "fault"), (2, "result")]
    assert "the process ended with" in lines[1].detail


def test_what_is_no_error_in_three_parts_is_a_fault() -> None:
    from mien.core.errors import SourceError

    def fails(error: BaseException) -> None:
        raise error

    assert fuzz.tried(lambda: fails(SourceError("a", "b", "c")))[0] == "error"
    assert fuzz.tried(lambda: fails(SourceError("a", "b", "")))[0] == "fault"
    assert fuzz.tried(lambda: fails(ValueError("x")))[0] == "fault"
    assert fuzz.tried(lambda: 1)[0] == "result"


def test_a_hang_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.2)

    def endless() -> None:
        while True:
            try:
                sum(range(1000))
            except Exception:  # as a reader might
                continue

    status, detail = fuzz.tried(endless)
    assert status == "fault"
    assert "still busy" in detail
