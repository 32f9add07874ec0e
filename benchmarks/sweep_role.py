"""What the child of an analyzer does in sweep.py: nothing, at once."""

from __future__ import annotations

from typing import Any

from mien.core.child import Answer
from mien.scale.asked import Asked


def nothing(asked: Asked, threads: int) -> Answer:
    """Finds nobody in any film, without looking."""

    def answer(film: Any, _: Any) -> dict[str, Any]:
        return {"status": "no_face", "film_seconds": 60.0, "faces": 0, "spans": [], "tracks": []}

    return answer
