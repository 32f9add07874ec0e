"""Holding out: the same share of every label, nobody on both sides, the same answer every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.data.manifest import Manifest, Row
from mien.data.splits import hold_out

SPACE = LabelSpace("abc", ("a", "b", "c"))


def made(rows: list[Row]) -> Manifest:
    return Manifest("made", SPACE, tuple(rows), Path("."))


def plain(counts: dict[str, int], fold: int = 0) -> list[Row]:
    train = [
        Row(f"{label}{i}", f"{label}/{i}", "image", label, "train", fold)
        for label in counts
        for i in range(counts[label])
    ]
    return [*train, *(Row(f"t{i}", f"t/{i}", "image", "a", "test", fold) for i in range(5))]


def held(manifest: Manifest, split: str = "valid") -> Counter[str]:
    return Counter(row.label for row in manifest.rows if row.split == split)


def test_every_label_gives_its_share_and_a_rare_one_at_least_one() -> None:
    before = made(plain({"a": 1000, "b": 96, "c": 4}))
    after = hold_out(before, 0.1)
    assert held(after) == {"a": 100, "b": 10, "c": 1}
    assert held(after, "test") == held(before, "test")
    assert [row.id for row in after.rows] == [row.id for row in before.rows]


def test_the_draw_depends_on_the_seed_alone() -> None:
    before = made(plain({"a": 100, "b": 50}))
    assert hold_out(before).rows == hold_out(before).rows
    assert hold_out(before).rows != hold_out(before, seed=1).rows


def test_a_fold_is_divided_alike_alone_and_among_others() -> None:
    both = made([*plain({"a": 40, "b": 20}, 1), *plain({"a": 40, "b": 20}, 2)])
    assert hold_out(both).select(fold=2).rows == hold_out(both.select(fold=2)).rows
    ids = [{row.id for row in hold_out(both).select("valid", fold).rows} for fold in (1, 2)]
    assert ids[0] != ids[1]


def test_a_release_with_a_validation_split_keeps_it() -> None:
    before = made([*plain({"a": 20}), Row("v", "v", "image", "a", "valid")])
    assert hold_out(before) is before


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc")), min_size=30, max_size=120), st.integers(0, 9))
def test_nobody_is_on_both_sides_and_no_label_leaves_train(items: list[tuple[int, str]], seed: int) -> None:
    before = made([Row(str(i), str(i), "image", label, "train", 0, f"p{who}") for i, (who, label) in enumerate(items)])
    try:
        after = hold_out(before, 0.2, seed)
    except DataError:
        # Right only where no person can go: each is alone in showing some label.
        shown = {label: {r.subject for r in before.rows if r.label == label} for label in "abc"}
        assert {r.subject for r in before.rows} == {next(iter(who)) for who in shown.values() if len(who) == 1}
        return
    people = [{r.subject for r in after.rows if r.split == split} for split in ("train", "valid")]
    assert not people[0] & people[1]
    assert people[1]
    assert {r.label for r in after.rows if r.split == "train"} == {r.label for r in before.rows}


def test_shares_are_near_the_goal_with_subjects_too() -> None:
    rng = np.random.default_rng(0)
    rows = [
        Row(str(i), str(i), "video", label, "train", 0, f"p{rng.integers(60)}")
        for i, label in enumerate(rng.choice(["a", "b", "c"], 1200, p=[0.6, 0.3, 0.1]))
    ]
    before = made(rows)
    shares = {label: held(hold_out(before, 0.1))[label] / held(before, "train")[label] for label in "abc"}
    assert all(0.07 < share < 0.13 for share in shares.values()), shares


def test_what_cannot_be_divided_is_refused() -> None:
    one = made([replace(row, subject="only") for row in plain({"a": 20, "b": 5})])
    with pytest.raises(DataError, match="two subjects"):
        hold_out(one)
    with pytest.raises(ConfigError, match="fraction"):
        hold_out(made(plain({"a": 9})), 0.6)
