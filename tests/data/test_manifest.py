"""Prepared sets on disk: every row comes back, and damage is said with its line."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.manifest import Manifest, Row, load_manifest

LABELS = LABEL_SPACES["rafdb"]
VOTES = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    rows = tuple(Row(f"i{n}", f"faces/{n}.jpg", "image", "anger", "train", 0, f"s{n % 5}") for n in range(6000))
    Manifest("toy", LABELS, rows, tmp_path, 100, ("a note",)).save(tmp_path)
    return tmp_path


def with_text(folder: Path, old: str, new: str, name: str = "manifest.csv") -> Path:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    return folder


def test_odd_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = (
        Row("=1+1", "=cmd().jpg", "image", "anger", "train", 2, "@someone", VOTES),
        Row("-0.5", 'a,"b".jpg', "image", "", "test", 1, "+44"),
        Row("caf\udce9", "caf\udce9.jpg", "image", "fear", "valid"),
        Row("'=x", "x\ny", "frames", "fear", "valid"),
    )
    Manifest("toy", LABELS, rows, tmp_path).save(tmp_path)
    assert load_manifest(tmp_path).rows == rows
    assert b"\n'=1+1,'=cmd().jpg,image,anger,train,2,'@someone" in (tmp_path / "manifest.csv").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\r\ni1,", '\r\ni1,"', "after line 2: field larger than field limit"),
        ("\r\ni5990,", '\r\n"i5990,', "after line 5991: unexpected end"),
        ("\r\ni3,faces/3.jpg,image", "\r\ni3,faces/3.jpg", "row 5"),
        ("i4,faces/4.jpg,image,anger", "i4,faces/4.jpg,image,rage", "line 6: .*rage"),
        ("i4,faces/4.jpg,image,anger,train,0", "i4,faces/4.jpg,image,anger,train,one", "line 6: fold 'one'"),
        ("\r\ni4,", "\r\ni3,", "line 6: 'i3' of fold 0 again"),
        ("s3,\r\n", "s3,nan 0 0 0 0 0 0\r\n", "line 5: votes"),
        ("s3,\r\n", "s3,1 0\r\n", "line 5: votes"),
        ("\r\ni4,faces/4.jpg", "\r\ni4,", "line 6: no id, or no path"),
        ("id,path,", "id,", "columns id, kind"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(saved: Path, old: str, new: str, reason: str) -> None:
    with (saved / "manifest.csv").open(newline="") as file:
        text = file.read()
    assert old in text
    (saved / "manifest.csv").write_bytes(text.replace(old, new, 1).encode())
    with pytest.raises(DataError, match=reason):
        load_manifest(saved)


WRONG: dict[str, Callable[[dict], object]] = {
    "no root": lambda body: body.pop("root"),
    "a number as root": lambda body: body.update(root=5),
    "no notes": lambda body: body.pop("notes"),
    "a word as notes": lambda body: body.update(notes="abc"),
    "a number as note": lambda body: body.update(notes=[1]),
    "a word as crop size": lambda body: body.update(crop_size="100"),
    "crops of nothing": lambda body: body.update(crop_size=0),
    "a word as labels": lambda body: body["labels"].update(labels="abc"),
    "no frame a second": lambda body: body.update(rate=0),
    "a pace in words": lambda body: body.update(rate="25"),
    "a label twice": lambda body: body["labels"]["labels"].append("anger"),
    "labels in a list": lambda body: body.update(labels=[]),
    "a list as name": lambda body: body.update(name=[1]),
    "another format": lambda body: body.update(format=2),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_damaged_set_is_refused(tmp_path: Path, change: Callable[[dict], object]) -> None:
    Manifest("toy", LABELS, (Row("a", "a.jpg", "image", "anger", "train"),), tmp_path).save(tmp_path)
    body = json.loads((tmp_path / "set.json").read_text())
    change(body)
    (tmp_path / "set.json").write_text(json.dumps(body))
    with pytest.raises(DataError, match="expected"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("given", [" ", "1", 2])
def test_a_format_that_came_is_told_from_the_one_expected(tmp_path: Path, given: object) -> None:
    Manifest("toy", LABELS, (), tmp_path).save(tmp_path)
    body = json.loads((tmp_path / "set.json").read_text())
    (tmp_path / "set.json").write_text(json.dumps({**body, "format": given}))
    with pytest.raises(DataError) as caught:
        load_manifest(tmp_path)
    assert caught.value.got == repr(given)


@pytest.mark.parametrize("text", ["[]", "7", "[" * 300_000, "", "{", "null"])
def test_a_set_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    Manifest("toy", LABELS, (), tmp_path).save(tmp_path)
    (tmp_path / "set.json").write_text(text)
    with pytest.raises(DataError, match="expected"):
        load_manifest(tmp_path)


def test_a_sound_set_is_read(saved: Path) -> None:
    found = load_manifest(saved)
    assert (len(found), found.crop_size, found.notes) == (6000, 100, ("a note",))
    assert dataclasses.replace(found, rows=()).name == "toy"
