"""Tables: no cell that a spreadsheet computes, everything comes back as it was, damage is said with its line."""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import DataError
from mien.core.sheets import escaped, read_cells, read_rows, unescaped, write_rows


@pytest.mark.parametrize(
    "text", ["=cmd()", "+1+2", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "-", "=5"]
)
def test_formulas_are_texts(text: str) -> None:
    assert escaped(text)[0] == "'"
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize("text", ["-0.5", "+3", "-1e-7", "-.5", "happiness", "", "'tis", "a=b", "0", "''"])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert escaped(text) == text
    assert unescaped(text) == text


@given(st.text(alphabet="'=+-@\t\r\n.5e ab", max_size=6))
def test_every_text_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not escaped(text)[:1] or escaped(text)[0] not in "=@\t\r\n" or text == ""


def test_rows_come_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("\ufeffid,label\r\n\r\na,'=cmd()\r\nb,-0.5\r\n".encode())
    assert list(read_rows(path, ("id",))) == [(3, {"id": "a", "label": "=cmd()"}), (4, {"id": "b", "label": "-0.5"})]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('id,label\na,"happy\nb,sad\n', "line 1.*end of data"),
        ('id,label\na,"' + "x" * 200_000, "field limit"),
        ("id,label\na\n", "1 at .*row 2"),
        ("id,label\na,b,c\n", "3 at .*row 2"),
        ("id,label,id\na,b,c\n", "id, label, id"),
        ("name,label\n", "columns name, label"),
        ("", "empty"),
        ("id,label\na,\xe9\n".encode("latin-1"), "utf-8"),
    ],
)
def test_damage_is_said_in_words(tmp_path: Path, text: str | bytes, reason: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=reason):
        list(read_rows(path, ("id", "label")))


def test_tables_of_people_may_be_ragged_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,label,track\na,happy\nb,sad,1,,\n")
    assert [row["track"] for _, row in read_rows(path, ("id",), ragged=True)] == ["", "1"]
    path.write_text("id,label\na,b,c\n")
    with pytest.raises(DataError, match="row 2"):
        list(read_rows(path, ("id",), ragged=True))


def test_other_readers_see_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(["id", escaped('=HYPERLINK("x", "y")')])
    assert next(csv.reader(path.open()))[1].startswith("'=")


def test_many_columns_take_no_square_of_time(tmp_path: Path) -> None:
    columns = 100_000  # compared each with each they take minutes
    (tmp_path / "wide.csv").write_text(f"id,{','.join(map(str, range(columns)))}\nx{',' * columns}\n")
    start = time.process_time()
    assert len(list(read_rows(tmp_path / "wide.csv", ("id",)))) == 1
    assert time.process_time() - start < 10


def test_a_table_is_written_so_that_it_reads_back_and_computes_nothing(tmp_path: Path) -> None:
    rows = [("=1+1", 1, 0.1234567, float("nan")), (None, True, 2.0, "a,b")]
    write_rows(tmp_path / "t.csv", ("@name", "n", "x", "y"), rows)
    assert (tmp_path / "t.csv").read_text() == "'@name,n,x,y\n'=1+1,1,0.123457,\n,true,2,\"a,b\"\n"
    assert [cells for _, cells in read_cells(tmp_path / "t.csv")][1] == ["=1+1", "1", "0.123457", ""]
