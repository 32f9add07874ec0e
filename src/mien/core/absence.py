"""When is somebody who is out of sight gone for good? One rule for numbers, windows and spans.

Time alone does not tell: at one frame a second the next look comes a second later, and in a slide show after ten. Only
where frames were looked at, and the face was in none of them, is it known to have been away.
"""

from __future__ import annotations

LEAST_MISSED = 2
"""Frames that must have been looked at in vain: a detector misses a face in one now and then."""


def is_over(unseen: float, missed: int, max_gap: float) -> bool:
    """Whether a face has been away too long to go on as before.

    Args:
        unseen: seconds since it was there, >= 0.
        missed: frames that were looked at since and did not show it.
        max_gap: seconds for which it may be away.
    """
    return bool(unseen > max_gap) and missed >= LEAST_MISSED
