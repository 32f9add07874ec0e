"""The FERPlus reader: the majority rule on votes one can check by hand, and clear refusals."""

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.data.ferplus import majority, read_ferplus

#        neu hap sur sad ang dis fea con unk nf
VOTES = [
    [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # clear; the single vote is dropped
    [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # half is not more than half
    [2, 0, 0, 0, 0, 0, 0, 0, 8, 0],  # the majority is "unknown"
    [0, 0, 6, 4, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing left after dropping single votes
]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "ferplus.npz"
    images = np.arange(5, dtype=np.uint8)[:, None, None] + np.zeros((1, 48, 48), np.uint8)
    np.savez(path, train_images=images, train_votes=np.array(VOTES, np.uint8))
    return path


def test_majority_rule() -> None:
    assert majority(np.array(VOTES, np.uint8)).tolist() == [True, False, False, True, False]


def test_targets_are_shares_of_the_votes_for_expressions(archive: Path) -> None:
    split = read_ferplus(archive, "train")
    assert split.images[:, 0, 0].tolist() == [0, 3]
    assert split.labels.tolist() == [0, 2]
    np.testing.assert_allclose(split.targets[1], [0, 0, 0.6, 0.4, 0, 0, 0, 0], atol=1e-6)


def test_without_the_rule_every_row_with_a_vote_for_an_expression_stays(archive: Path) -> None:
    split = read_ferplus(archive, "train", majority_only=False)
    assert split.images[:, 0, 0].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(split.targets.sum(1), 1)


@pytest.mark.parametrize("content", [None, b"not a zip", b"PK\x03\x04 torn"])
def test_a_missing_or_broken_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ferplus.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="train_images"):
        read_ferplus(path, "train")


def test_an_absent_split_is_refused(archive: Path) -> None:
    with pytest.raises(DataError, match="test_images"):
        read_ferplus(archive, "test")
