"""``mien analyze`` with a model whose work is to wait: ``python slow_batch.py SRC... -o OUT [--workers N]``.

What a source's name begins with says what becomes of it: ``quick``, ``slow`` (half a minute), ``deadly`` (its process
dies by a signal). Who works leaves a file with its number beside the source. One who waits has a draft with a file.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from brightness import BrightnessNetwork, FacesAt

from mien.analysis import expressions
from mien.analysis.expressions import ExpressionModel
from mien.cli.main import main
from mien.report.result import Result


class WaitingModel(ExpressionModel):
    """Says of every source that nobody is in it, after a time."""

    def analyze(self, source: Any, *_: Any, **__: Any) -> Result:
        path = Path(source)
        path.with_suffix(".pid").write_text(str(os.getpid()))
        if path.name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if path.name.startswith("slow"):
            time.sleep(30)
        return super().analyze(source, detector=FacesAt())


class QuietNetwork(BrightnessNetwork):
    """Its engine needs no word."""

    engine = "torch"


if __name__ == "__main__":
    expressions.load = lambda *_, **__: WaitingModel(QuietNetwork())  # type: ignore[assignment]
    sys.exit(main(["analyze", *sys.argv[1:]]))
