"""Errors quote what others wrote: a message stays one that a terminal and a log can take."""

import pickle

import pytest

from mien.core.errors import SourceError


def test_a_quoted_book_is_cut() -> None:
    error = SourceError("a word", "x" * 200_000 + " at the end", "shorten it")
    assert len(str(error)) < 1500
    assert error.got.endswith("at the end")


def test_codes_for_terminals_stay_out() -> None:
    error = SourceError("a name", "caf\udce9\n\x1b[2J\0 日本\u3000é", "rename it")
    assert error.got == "caf? ?[2J? 日本\u3000é"
    str(error).encode("utf-8")
    again = pickle.loads(pickle.dumps(error))
    assert (again.expected, again.got, again.fix) == (error.expected, error.got, error.fix)


@pytest.mark.parametrize("got", ["", "  ", "\n\t", "\u2003"])
def test_what_cannot_be_seen_is_shown_in_quotes(got: str) -> None:
    error = SourceError("a name", got, "give one")
    assert error.got == repr(got)
    assert pickle.loads(pickle.dumps(error)).got == error.got
