"""Which films sources name, and what is known of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sweeping import grey

from mien.core.errors import ConfigError, DataError, FileError, MissingDependencyError
from mien.scale.listing import WORTH_LISTING, Found, listed, look_up
from mien.scale.stores import files_below, store_of


def test_folders_patterns_and_films_name_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = grey(tmp_path / "films", 3)
    (films / "deep").mkdir()
    (films / "deep" / "b.mkv").write_bytes(b"b")
    (films / "notes.txt").write_text("no film")
    (films / ".hidden.mp4").write_bytes(b"x")
    assert names(listed([str(films)])[0]) == ["b.mkv", "grey000.mp4", "grey001.mp4", "grey002.mp4"]
    assert names(listed([str(films / "grey00[12].mp4")])[0]) == ["grey001.mp4", "grey002.mp4"]
    monkeypatch.chdir(films)
    found = listed(["grey000.mp4", "deep", "grey000.mp4", "none.mp4"])[0]
    assert [one.uri for one in found] == [f"{films}/grey000.mp4", f"{films}/deep/b.mkv", f"{films}/none.mp4"]
    assert [one.size is None for one in found] == [False, False, True]


def test_a_file_whose_name_holds_a_pattern_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "what [1]?.mp4"
    odd.write_bytes(b"film")
    assert [(one.uri, one.size) for one in listed([str(odd)])[0]] == [(str(odd), 4)]


def test_many_films_of_a_folder_are_looked_up_at_once(tmp_path: Path) -> None:
    films = grey(tmp_path / "films", WORTH_LISTING + 2)
    uris = [str(path) for path in sorted(films.iterdir())]
    together = look_up([*uris, f"{films}/none.mp4"])
    assert together == [*(look_up([uri])[0] for uri in uris), Found(f"{films}/none.mp4")]
    assert all(one.size and one.mark for one in together[:-1])


def test_what_names_no_film_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="none at"):
        listed([str(tmp_path / "empty")])
    (tmp_path / "list.csv").write_text("url\na.mp4\n")
    with pytest.raises(DataError, match="a column uri"):
        listed([str(tmp_path / "list.csv")])
    (tmp_path / "list.csv").write_text("uri,x\na.mp4,1\n,2\n")
    with pytest.raises(DataError, match="every row"):
        listed([str(tmp_path / "list.csv")])
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"torn\.parquet"):
        listed([str(tmp_path / "torn.parquet")])
    with pytest.raises(DataError, match="no file"):
        listed([str(tmp_path / "none.csv")])


def test_stores_that_are_not_installed_or_do_not_exist_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match="ocilake://"):
        store_of("ocilake://bucket/key")
    with pytest.raises(ConfigError, match="nosuch"):
        store_of("nosuch://bucket/key")


def names(found: list[Found]) -> list[str]:
    return [one.uri.rpartition("/")[2] for one in found]


def test_whatever_a_store_raises_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentialsError(Exception):
        """As botocore has one, of no common kind."""

    def refuses(*_: object, **__: object) -> None:
        raise NoCredentialsError("Unable to locate credentials")

    for name in ("isdir", "find", "info"):
        monkeypatch.setattr(type(store_of("memory://films")[0]), name, refuses)
    with pytest.raises(FileError, match=r"memory://films.*NoCredentialsError.*credentials and the network"):
        listed(["memory://films"])
    with pytest.raises(FileError, match="credentials"):
        look_up(["memory://films/a.mp4"])
    with pytest.raises(FileError, match="credentials"):
        files_below("memory://films", ".parquet")


def test_links_are_followed_as_analyze_follows_them(tmp_path: Path) -> None:
    films = grey(tmp_path / "films", 2)
    farm = tmp_path / "farm"
    farm.mkdir()
    (farm / "one.mp4").symlink_to(films / "grey000.mp4")
    (farm / "folder").symlink_to(films)
    found = listed([str(farm)])[0]
    assert names(found) == ["grey000.mp4", "grey001.mp4", "one.mp4"]
    assert all(one.size for one in found)
    assert names(listed([str(farm / "*.mp4")])[0]) == ["one.mp4"]


def test_a_name_that_is_no_text_costs_its_own_row_only(tmp_path: Path) -> None:
    films = grey(tmp_path / "films", 1)
    Path(os.fsdecode(os.fsencode(films) + b"/lat\xe9in.mp4")).write_bytes(b"film")
    found = listed([str(films)])[0]
    assert {one.uri.rpartition("/")[2]: one.size is None for one in found} == {"grey000.mp4": False, "lat?in.mp4": True}


@pytest.mark.parametrize(
    ("text", "expected"), [("uri,a,a\nx.mp4,1,2\n", "no name twice"), ("uri,uri\nx.mp4,y.mp4\n", "no name twice")]
)
def test_columns_of_one_name_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=expected):
        listed([str(tmp_path / "list.csv")])


def test_a_name_with_two_colons_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "a::b.mp4").write_bytes(b"film")
    assert [one.size for one in listed([str(tmp_path / "a::b.mp4")])[0]] == [4]
