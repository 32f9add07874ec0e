"""VEATIC, BAH, Hugging Rain Man and InFER, on look-alikes of what is known of their layouts: nobody here has them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import trees
from video_trees import write_lines, write_video

from mien.cli.main import main
from mien.core.errors import DataError
from mien.data.datasets import find_dataset
from mien.data.manifest import Manifest, load_manifest

FILM_FRAMES = 60


def read(name: str, root: Path) -> Manifest:
    manifest = find_dataset(name).read(root)
    assert len({row.id for row in manifest.rows}) == len(manifest)
    return manifest


def prepared(name: str, root: Path, out: Path) -> Manifest:
    assert main(["prepare", name, str(root), "-o", str(out), "--no-crop", "--workers", "1"]) == 0
    return load_manifest(out)


# VEATIC


def veatic_tree(folder: Path, films: int = 3, side: int = 32) -> Path:
    """Films whose frames, from 0, are rated valence = number / 100 and arousal = -that."""
    for film in range(1, films + 1):
        for number in range(FILM_FRAMES):
            trees.save(folder / "frames" / str(film) / f"{number}.jpg", 1000 * film + number, film, side)
        for label, sign in (("valence", 1), ("arousal", -1)):
            lines = [f"{number / 25:.3f},{sign * number / 100}" for number in range(FILM_FRAMES)]
            write_lines(folder / "rating_averaged" / f"{film}_{label}.csv", lines)
    return folder


def test_veatic_rates_every_fifth_frame_and_tests_on_the_end_of_every_film(tmp_path: Path) -> None:
    rows = read("veatic", veatic_tree(tmp_path))
    assert [row.id for row in rows.rows if row.subject == "film 2"] == [f"2/{n}" for n in range(0, FILM_FRAMES, 5)]
    for row in rows.rows:
        number = int(row.id.split("/")[1])
        assert (rows.root / row.path).name == f"{number}.jpg"
        assert row.beside == (number / 100, -number / 100), "frame 10 before frame 9 in the order of names"
        assert row.split == ("train" if number < 42 else "test")
    assert rows.signals[0].columns == ("affect.valence", "affect.arousal")
    assert (rows.signals[0].low, rows.signals[0].high) == (-1, 1)


def test_veatic_in_other_spellings_and_with_frames_nobody_rated(tmp_path: Path) -> None:
    veatic_tree(tmp_path, films=1)
    (tmp_path / "frames").rename(tmp_path / "frame")
    path = tmp_path / "rating_averaged" / "1_arousal.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:50]))
    rows = read("veatic", tmp_path)
    assert [row.id for row in rows.rows] == [f"1/{n}" for n in range(0, 50, 5)]
    assert [row.split for row in rows.rows].count("train") == 9, "70 % of the film, not of what is rated"
    assert "every fifth frame of 1 films, 2 of them left out without a rating" in rows.notes
    assert "1 films whose two files of ratings differ in length: read as far as both go" in rows.notes


def test_veatic_trains_a_head_of_valence_and_arousal(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = prepared("veatic", veatic_tree(tmp_path / "release"), tmp_path / "set")
    assert np.isfinite(rows.beside()).all()
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert report["checks"]["problems"].keys() == {"subject leak"}, "every film is in both, and none has expressions"
    train = ["train", "heads", "--data", str(tmp_path / "set"), "--out", str(tmp_path / "run")]
    assert main([*train, "--recipe.heads", "affect=plane", "--fit.epochs", "1"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "set"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signals"]["affect"]["items"] == 9


@pytest.mark.parametrize(("line", "got"), [("0,1.5", "1.5"), ("0,nan", "nan"), ("0", "'0'"), ("time,rating", "rating")])
def test_veatic_refuses_a_rating_that_is_none(tmp_path: Path, line: str, got: str) -> None:
    veatic_tree(tmp_path, films=1)
    path = tmp_path / "rating_averaged" / "1_valence.csv"
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(DataError, match=got):
        read("veatic", tmp_path)


def test_veatic_as_films_says_how_to_cut_them(tmp_path: Path) -> None:
    veatic_tree(tmp_path, films=1)
    (tmp_path / "frames").rename(tmp_path / "videos")
    with pytest.raises(DataError) as told:
        read("veatic", tmp_path)
    assert "-start_number 0" in told.value.fix
    (tmp_path / "frames" / "1").mkdir(parents=True)
    with pytest.raises(DataError, match="none in"):
        read("veatic", tmp_path)
    trees.save(tmp_path / "frames" / "1" / "cover.jpg", 0, 0, 16)
    with pytest.raises(DataError, match=r"cover\.jpg"):
        read("veatic", tmp_path)


# BAH


def bah_tree(folder: Path, begun: str = "data") -> Path:
    """Two people a split, two films each: the second shows it."""
    for first, name in enumerate(("train", "val", "test")):
        lines = []
        for person in (82550 + 2 * first, 82551 + 2 * first):
            for film in (0, 1):
                place = f"Videos/{person}/Visite_1/{person}_Question_{film}_Video.mp4"
                write_video(folder / begun / place, 3, 32, 10 * person + film, film)
                lines.append(f"{place},{film},Well, I do not know, honestly")
        write_lines(folder / begun / "split" / f"{name}.txt", lines)
    return folder


@pytest.mark.parametrize("begun", ["data", ""])
def test_bah_has_a_class_and_a_flag_of_every_film_and_keeps_people_apart(tmp_path: Path, begun: str) -> None:
    rows = prepared("bah", bah_tree(tmp_path / "release", begun), tmp_path / "set")
    assert [row.split for row in rows.rows] == [part for part in ("train", "valid", "test") for _ in range(4)]
    for row in rows.rows:
        shown = "_Question_1_" in row.id
        assert row.label == ("present" if shown else "absent")
        assert row.beside == (float(shown),)
        assert row.subject == row.id.split("/")[0]
    assert rows.signals[0].columns == ("states.ambivalence_hesitancy",)
    assert not json.loads((tmp_path / "set" / "report.json").read_text())["checks"]["serious"]


@pytest.mark.parametrize(
    "line",
    [
        "Videos/1/V/a.mp4,2,x",
        "Videos/1/V/a.mp4",
        "a.mp4,1,x",
        "Frames/1/V/a.mp4,1,x",
        "Videos/1/../a.mp4,1,x",
        "video_path,labels,text",
    ],
)
def test_bah_refuses_a_line_of_another_list(tmp_path: Path, line: str) -> None:
    path = bah_tree(tmp_path) / "data" / "split" / "val.txt"
    was = path.read_text()
    path.write_text(f"video_path,label,transcript\n{was}")
    assert len(read("bah", tmp_path)) == 12, "a header is none of them"
    path.write_text(f"{line}\n{was}")
    with pytest.raises(DataError, match=r"val\.txt, line 1"):
        read("bah", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"val\.txt"):
        read("bah", tmp_path)


# Hugging Rain Man

HRM_COLUMNS = [
    "frame",
    *(f"AU{n}" for n in (1, 2, 4, 5, 6, 7, 43, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18)),
    *("AD19", "AU20", "AU21", "AU22", "AU23", "AU24", "AU25", "AU2X", "AU28", "AD29", "AD30", "AU31"),
    *(f"AD{n}" for n in range(32, 38)),
    *("AU0", "ASD", "Abnormal-avg"),
]


def hrm_tree(folder: Path, columns: list[str] = HRM_COLUMNS) -> Path:
    """S5 and S6 of one folder, S5 of the other; in frame 12 there is AU12, on the left alone, and AU4 is unknown."""
    for name, number in (("ASD", 5), ("ASD", 6), ("TD", 5)):
        lines = [",".join(columns)]
        for frame in (9, 10, 12):
            cells = dict.fromkeys(columns, "0") | {"frame": str(frame), "ASD": "1", "Abnormal-avg": "3.2"}
            if frame == 12:
                cells |= {"AU12": "2", "AU4": ""}
            lines.append(",".join(cells[column] for column in columns))
            child = f"S{number}{'TD' if name == 'TD' else ''}"
            seed = 100 * number + frame + (1000 if name == "TD" else 0)
            trees.save(folder / "origin" / child / f"{frame}_0.jpg", seed, number % 3, 32)
        write_lines(folder / "labels" / name / f"S{number}.csv", lines)
    return folder


def test_hrm_gives_units_and_descriptors_and_nothing_of_anybodys_health(tmp_path: Path) -> None:
    rows = prepared("hrm", hrm_tree(tmp_path / "release"), tmp_path / "set")
    assert [row.subject for row in rows.rows] == ["S5"] * 3 + ["S6"] * 3 + ["S5TD"] * 3
    assert {row.subject for row in rows.rows if row.split == "test"} == {"S5", "S5TD"}
    (found,) = (row for row in rows.rows if row.id == "S6/12")
    names = [name for signal in rows.signals for name in signal.columns]
    assert len(names) == 33
    known = dict(zip(names, found.beside, strict=True))
    assert known.pop("units.AU12") == 1, "on one side is there as well"
    assert math.isnan(known.pop("units.AU4")), "a blank is not known"
    assert set(known.values()) == {0.0}
    written = (tmp_path / "set" / "manifest.csv").read_text() + (tmp_path / "set" / "set.json").read_text()
    assert not any(word in written for word in ("ASD", "bnormal", "3.2"))


def test_hrm_of_the_22_the_networks_find_leaves_the_others_unknown_and_refuses_fewer(tmp_path: Path) -> None:
    some = [name for name in HRM_COLUMNS if name not in ("AU5", "AU8", "AU13", "AU22", "AD29", "AD37", "ASD")]
    rows = read("hrm", hrm_tree(tmp_path / "some", some))
    known = dict(zip((name for one in rows.signals for name in one.labels), rows.rows[0].beside, strict=True))
    assert [name for name, value in known.items() if math.isnan(value)] == [
        "AU5",
        "AU8",
        "AU13",
        "AU22",
        "AD29",
        "AD37",
    ]
    with pytest.raises(DataError, match="AU12"):
        read("hrm", hrm_tree(tmp_path / "few", [name for name in HRM_COLUMNS if name != "AU12"]))


@pytest.mark.parametrize(("was", "now"), [("9,0", "9,7"), ("9,0", "9,yes"), ("9,0", "-9,0")])
def test_hrm_refuses_a_cell_that_is_no_code(tmp_path: Path, was: str, now: str) -> None:
    path = hrm_tree(tmp_path) / "labels" / "ASD" / "S6.csv"
    path.write_text(path.read_text().replace(was, now, 1))
    with pytest.raises(DataError, match=r"S6\.csv, line 2"):
        read("hrm", tmp_path)


# InFER


def infer_tree(folder: Path) -> Path:
    """Ten people with a picture and a film each, two pictures of nobody known, and groups that stay in the table."""
    lines = ["id,expression,person,age,ethnicity"]
    for person in range(10):
        trees.save(folder / "posed" / f"{person}.jpg", person, person % 7, 32)
        write_video(folder / "posed" / f"{person}.mp4", 3, 32, person, person % 7)
        lines += [
            f"posed/{person}.{kind},{('Happy', 'anger')[person % 2]},P{person},young,east" for kind in ("jpg", "mp4")
        ]
    for number in range(2):
        trees.save(folder / "web" / f"{number}.png", 50 + number, 3, 32)
        lines.append(f"web/{number}.png,Surprised,,,")
    write_lines(folder / "labels.csv", lines)
    return folder


def test_infer_reads_the_table_of_its_user_and_leaves_groups_in_it(tmp_path: Path) -> None:
    rows = prepared("infer", infer_tree(tmp_path / "release"), tmp_path / "set")
    assert len(rows) == 22
    assert [(row.label, row.kind) for row in rows.rows[:3]] == [
        ("happiness", "image"),
        ("happiness", "video"),
        ("anger", "image"),
    ]
    where = {row.subject: row.split for row in rows.rows if row.subject}
    assert all(where[row.subject] == row.split for row in rows.rows if row.subject)
    assert set(where.values()) == {"train", "test"}
    assert [row.label for row in rows.rows if not row.subject] == ["surprise", "surprise"]
    written = (tmp_path / "set" / "manifest.csv").read_text() + (tmp_path / "set" / "set.json").read_text()
    assert not any(word in written for word in ("young", "east", "ethnicity"))


@pytest.mark.parametrize(
    "line", ["posed/1.txt,happy,P1,,", "/posed/1.jpg,happy,P1,,", "../1.jpg,happy,P1,,", "posed/1.jpg,moved,P1,,"]
)
def test_infer_refuses_a_line_without_a_picture_or_an_expression(tmp_path: Path, line: str) -> None:
    path = infer_tree(tmp_path) / "labels.csv"
    path.write_text(f"{path.read_text().rstrip()}\n{line}\n")
    with pytest.raises(DataError, match=r"labels\.csv"):
        read("infer", tmp_path)
