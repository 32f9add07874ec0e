"""The examples of docs/threads.md run as written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "threads.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- test (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
SAID = {
    "threads": ["talk.mp4 ['neutral', 'happiness']", "monday.mp4 ['neutral', 'happiness']"],
    "processes": ["spawn [", "fork ["],
    "app": ["happiness"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_the_example_runs_as_written(furnished, name: str) -> None:
    (furnished.folder / "program.py").write_text(EXAMPLES[name])
    ran = furnished.run(sys.executable, "program.py")
    assert ran.returncode == 0, ran.stderr
    for line in SAID[name]:
        assert line in ran.stdout
