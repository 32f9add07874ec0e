"""What all tests share: shapes checked while they run, one thread a worker, a cache of their own, real media.

jaxtyping and beartype check every annotated shape and type in the rooms whose functions are maths; in the rooms that
stream pixels the check costs more than the work.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# Before torch and OpenCV start their threads: workers share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MIEN_THREADS", "1")

import numpy as np
import pytest
from jaxtyping import install_import_hook

from chromium import HOW, WITHOUT
from scheduling import ordinary

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what stands before a "&": commands that tests start would inherit it and not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKED_ROOMS = ["mien.core", "mien.clips", "mien.models"]
install_import_hook(CHECKED_ROOMS, "shape_checks.checked")

ROOT = Path(__file__).resolve().parents[1]
ASTRONAUT = "a8c429c18afa7b0fd5673e598d73a21225d94c864a71bbb3885126fdecb41071"
"""SHA-256 of the pixels of scikit-image's astronaut (NASA, public domain)."""


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last what was left out for want of a browser, and how to have it."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if WITHOUT in str(report.longrepr)]
    if skipped:
        terminalreporter.config.add_cleanup(
            lambda: terminalreporter.write_line(f"{len(skipped)} tests of pages were left out: {WITHOUT}. {HOW}")
        )


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def load_tool() -> Callable[[str], ModuleType]:
    """A program of ``tools/`` by its name, as a module."""
    return _tool


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests neither see nor touch the user's cache, nor download."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        if "PYTEST_XDIST_WORKER" in os.environ:  # what one worker exports, a minute for all of it, the others need not
            shared = tmp_path_factory.getbasetemp().parent / "engines"
            shared.mkdir(exist_ok=True)
            (folder / "engines").symlink_to(shared, target_is_directory=True)
        patch.setenv("MIEN_CACHE", str(folder))
        patch.setenv("MIEN_OFFLINE", "1")
        yield folder


@pytest.fixture(autouse=True)
def ordinary_scheduling() -> Iterator[None]:
    """No test leaves this process above all others."""
    yield
    ordinary()


@pytest.fixture(scope="session")
def sample_clip() -> Callable[[str], Path]:
    """``sample_clip("single_face.mp4")``: a real clip, see tools/fetch_samples.py; tests fail where it is not had."""
    clips = {path.name: path for path in _tool("fetch_samples").fetch()}
    return lambda name: clips[name]


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A real still with one smiling face, 512x512 RGB uint8, read-only."""
    from skimage import data

    image = np.ascontiguousarray(data.astronaut())
    assert hashlib.sha256(image.tobytes()).hexdigest() == ASTRONAUT, "not the picture the tests were written for"
    image.flags.writeable = False
    return image
