"""The FERPlus archive as rows: what the training reader gives, and nothing that the majority rule drops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.data.ferplus import read_ferplus
from mien.data.pixels import read_clip
from mien.evaluation.ferplus import ferplus_rows


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    parts = {}
    for split in ("train", "test"):
        votes = np.array([rng.multinomial(10, rng.dirichlet(np.full(10, 0.4))) for _ in range(60)], np.uint8)
        parts |= {f"{split}_votes": votes, f"{split}_images": rng.integers(0, 255, (60, 48, 48)).astype(np.uint8)}
    path = tmp_path / "faces.npz"
    np.savez(path, **parts)
    return path


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_are_what_training_reads(archive: Path, split) -> None:
    rows, read = ferplus_rows(archive).select(split), read_ferplus(archive, split)
    assert 0 < len(rows) < 60
    assert rows.indices().tolist() == read.labels.tolist()
    pixels = np.concatenate([read_clip(rows, row) for row in rows.rows])
    np.testing.assert_array_equal(pixels, np.repeat(read.images[:, None], 3, axis=1))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "torn.npz").write_bytes(archive.read_bytes()[:500])
    with pytest.raises(DataError, match=r"torn\.npz"):
        ferplus_rows(tmp_path / "torn.npz")
    with pytest.raises(DataError, match="rows of split valid"):
        ferplus_rows(archive).select("valid")
