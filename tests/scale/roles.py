"""What the child of an analyzer does in tests, by the film's name; and a sweep with such a child, as a program.

``python roles.py ENGINE ROLE OUT [SRC...]``
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow

from mien.core.child import Answer, Tell
from mien.core.errors import SourceError
from mien.scale.analyst import ROW, Film, analyst
from mien.scale.asked import Asked
from mien.scale.settings import Care, Crew
from mien.scale.stores import write_table

SECONDS = 0.1
"""That a film of :func:`stub` takes."""
LOG = "SWEEP_LOG"
"""Variable that names a file with a line for every film that a child began."""


def stub(asked: Asked, threads: int) -> Answer:
    """Finds nobody in any film, after a while, and keeps an empty table of frames."""

    def answer(film: Film | None, _: Tell) -> dict[str, Any]:
        if film is None:
            return {"name": "stub"}
        note(film)
        time.sleep(float(os.environ.get("SWEEP_SECONDS", SECONDS)))
        row = {"status": "no_face", "film_seconds": 1.0, "faces": 0, "spans": [], "tracks": [], "frames": film.frames}
        if film.frames is not None:
            table = pyarrow.table({"id": pyarrow.array([], pyarrow.string())})
            write_table(film.frames, table.replace_schema_metadata({ROW: json.dumps(row).encode()}))
        return row

    return answer


def fragile(asked: Asked, threads: int) -> Answer:
    """Reads films as they are, but for those that kill or hang, by their name."""
    really = analyst(asked, threads)

    def answer(film: Film | None, tell: Tell) -> dict[str, Any]:
        if film is not None:
            note(film)
            name = film.uri.rpartition("/")[2]  # pytest names folders after tests
            if "kills" in name:
                os.kill(os.getpid(), signal.SIGKILL)
            if "hangs" in name:
                time.sleep(600)
            if "bug" in name:
                raise ZeroDivisionError("a bug of ours")
        return really(film, tell)

    return answer


def late(asked: Asked, threads: int) -> Answer:
    """As :func:`stub`, but the first who begins a film with such a name hangs."""
    really = stub(asked, threads)

    def answer(film: Film | None, tell: Tell) -> dict[str, Any]:
        if (
            film is not None
            and "hangs" in film.uri.rpartition("/")[2]
            and not (first := Path(f"{film.uri}.begun")).exists()
        ):
            first.touch()
            time.sleep(600)
        return really(film, tell)

    return answer


def broken(asked: Asked, threads: int) -> Answer:
    """Cannot even begin."""
    raise SourceError("a model", "none", "install it again")


def note(film: Film) -> None:
    """Leave a line that this film was begun."""
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a", encoding="utf-8") as file:
            file.write(f"{film.uri}\n")


if __name__ == "__main__":
    import roles  # as children and actors will know it

    from mien.scale.engines import Orders
    from mien.scale.running import sweep

    engine, role, out, *sources = sys.argv[1:]
    given = Orders(Asked("s2d-tiny"), out, Care(), role=getattr(roles, role))
    count = sweep(sources, out, engine=engine, crew=Crew(int(os.environ.get("SWEEP_WORKERS", 2))), orders=given)
    print(json.dumps(count.line()))
