from __future__ import annotations

from mien.core.absence import is_over


def test_both_time_and_frames_must_have_passed() -> None:
    assert is_over(1.1, 2, 1.0)
    assert not is_over(1.0, 25, 1.0), "exactly the gap is no longer than it"
    assert not is_over(600.0, 1, 1.0), "one frame in vain says little"
    assert not is_over(600.0, 0, 1.0), "nobody looked"
