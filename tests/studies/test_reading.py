"""The table of frames, read fast, says what :func:`float` and the reader of tables say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.studies.reading import read_table

CELLS = (
    *("0.1234", "-0.9830", "0", "1.", ".5", "-.5", "-0.0", "300.0400", "007", "", "123456789012345"),
    *(
        "0.123456789012345",
        "1e-05",
        "+1.5",
        " 2.5",
        "1_0",
        "nan",
        "inf",
        "-inf",
        "0.1234567890123456789",
        "9007199254740993",
        "5e-324",
    ),
)


def written(path: Path, numbers: list[str], line_end: str = "\n", last: str = "\n") -> Path:
    rows = [f"{number},frame {place},'=odd,ä" for place, number in enumerate(numbers)]
    path.write_bytes((line_end.join(["value,what,label,last", *rows]) + last).encode())
    return path


def test_numbers_are_those_that_python_reads_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [*CELLS, *(f"{value:.{digits}f}" for value, digits in zip(rng.normal(0, 9, 999), range(999), strict=True))]
    cells += [f"{value:.4f}" for value in rng.random(9999)]
    table, (texts,) = read_table(written(tmp_path / "a.csv", cells), ["value"], ["what"])
    expected = [float(cell or "nan") for cell in cells]
    np.testing.assert_array_equal(table[:, 0].view(np.int64), np.array(expected).view(np.int64))
    assert texts[-1] == f"frame {len(cells) - 1}"


@pytest.mark.parametrize(("line_end", "last"), [("\n", "\n"), ("\n", ""), ("\r\n", "\r\n"), ("\n\n", "\n")])
def test_lines_end_as_they_may(tmp_path: Path, line_end: str, last: str) -> None:
    path = written(tmp_path / "a.csv", ["0.5", "0.25"], line_end, last)
    table, (labels, lasts) = read_table(path, ["value"], ["label", "last"])
    assert (table.tolist(), labels, lasts) == ([[0.5], [0.25]], ["=odd", "=odd"], ["ä", "ä"])


def test_quotation_marks_and_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('value,what\n0.5,"a, b"\n')
    (tmp_path / "b.csv").write_text("value,what\n")
    assert read_table(tmp_path / "a.csv", ["value"], ["what"])[1] == [["a, b"]]
    assert read_table(tmp_path / "b.csv", ["value"], ["what"])[0].shape == (0, 1)


@pytest.mark.parametrize("cell", [".", "-", "1.2.3", "one", "1-2", "0x10"])
def test_what_is_no_number_is_an_error(tmp_path: Path, cell: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        read_table(written(tmp_path / "a.csv", ["0.5", cell]), ["value"], ["what"])


def test_a_torn_table_names_the_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("value,what\n0.5,a\n0.5\n0.5,a,b\n")
    with pytest.raises(DataError, match="row 3"):
        read_table(tmp_path / "a.csv", ["value"], ["what"])
