"""Label spaces: what a name means in one space, and where it goes in another."""

from __future__ import annotations

import pytest

from mien.core.errors import ConfigError
from mien.core.labels import LABEL_SPACES, LabelSpace


@pytest.mark.parametrize("name", sorted(LABEL_SPACES))
def test_every_label_is_found_at_its_own_place(name: str) -> None:
    space = LABEL_SPACES[name]
    assert [space.index(label) for label in space.labels] == list(range(len(space)))
    assert space.to(space) == tuple(range(len(space)))


def test_calm_is_a_class_where_the_space_has_it_and_neutral_elsewhere() -> None:
    ravdess, ferplus = LABEL_SPACES["ravdess"], LABEL_SPACES["ferplus"]
    assert ravdess.index(" Calm") == 1
    assert ferplus.index("calm") == ferplus.index("neutral")
    assert ravdess.to(ferplus) == tuple(map(ferplus.index, ("neutral", *ravdess.labels[1:])))
    assert ferplus.to(ravdess)[0] == 0


def test_a_space_without_a_counterpart_says_none_and_a_stranger_gets_a_hint() -> None:
    assert LABEL_SPACES["ck+"].to(LABEL_SPACES["crema-d"]) == (0, None, 1, 2, 3, 5, None)
    with pytest.raises(ConfigError, match="surprise"):
        LABEL_SPACES["dfew"].index("surprize")


def test_classes_of_ones_own_keep_their_capitals() -> None:
    own = LabelSpace("own", ("Frown", "Smile"))
    assert own.index("Smile") == 1
    assert own.to(own) == (0, 1)
