"""The tiny head, opened once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.data.people.model import MorphableHead, load_head
from mien.data.people.studio import Studio
from tiny_head import SMALL, write_head


@pytest.fixture(scope="session")
def head_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_head(tmp_path_factory.mktemp("head") / "head.npz")


@pytest.fixture(scope="session")
def head(head_file: Path) -> MorphableHead:
    return load_head(head_file)


@pytest.fixture(scope="session")
def studio(head: MorphableHead) -> Studio:
    return Studio(head, SMALL)
