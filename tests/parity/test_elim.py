"""Matching people by optimal transport (ELIM): the authors' weights, flows, shifts and normalised rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fills import official, uniform

from mien.training.identity import match, shifted


@pytest.mark.parametrize("case", official("elim")["matching"], ids=lambda case: case["salt"])
def test_flows_and_shifts_are_the_authors(case: dict) -> None:
    people = [
        torch.from_numpy(np.maximum(2 * uniform(f"{case['salt']}id{one}", (count, case["dim"])) - 1, 0)).float()
        for one, count in enumerate(case["counts"])
    ]
    first = match(people[0], people[1])
    for found, name in (
        (first.flow, "flow_pair_0_1"),
        (first.flow.sum(1), "flow_row_sums"),
        (first.flow.sum(0), "flow_column_sums"),
        (first.anchor, "weights_anchor"),
        (first.other, "weights_other"),
    ):
        np.testing.assert_allclose(found, case[name], atol=1e-4, err_msg=name)
    # Sinkhorn's last round is the columns': what comes to an item is what it weighs.
    torch.testing.assert_close(first.flow.sum(0), first.other, atol=1e-4, rtol=1e-4)
    for items, shift, row in zip(people[1:], case["shift"], case["normalised_first_row"], strict=True):
        found = match(people[0], items)
        np.testing.assert_allclose(found.shift, shift, atol=1e-4)
        # The figure is the release's, which takes the first item's shift out of everything.
        release = shifted(items, found.shift[:1].expand_as(found.shift))
        np.testing.assert_allclose(release[0, : len(row)], row, atol=2e-4)


def test_ours_takes_out_of_each_item_its_own_shift() -> None:
    items, shift = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]]), torch.tensor([2.0, 5.0])
    found = shifted(items, shift)
    torch.testing.assert_close(found[0], torch.tensor([-1.0, 0.0, 1.0]) / (2 / 3) ** 0.5)
    torch.testing.assert_close(found.square().mean(1), torch.ones(2))
    assert torch.equal(shifted(items, shift[:1].expand(2))[0], found[0])
