"""Sets of rendered people on disk: what training reads, resumable, and the same however they are made."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ConfigError, DataError
from mien.data.manifest import load_manifest
from mien.data.people import writing
from mien.data.people.camera import draw_views
from mien.data.people.exact import load_exact
from mien.data.people.settings import PeopleSettings
from mien.data.people.writing import write_people
from mien.data.pixels import read_clip
from tiny_head import SMALL


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


@pytest.fixture(scope="module")
def made(head_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "PEOPLE_A_PART", 3)
        write_people(head_file, out, 16, SMALL)
    return out


def test_a_set_is_read_as_any_other(made: Path) -> None:
    manifest, exact = load_manifest(made), load_exact(made)
    assert len(manifest) == len(exact) == 16
    assert manifest.crop_size == 48
    for row, person, votes, number in zip(manifest.rows, exact.person, exact.votes, exact.number, strict=True):
        assert row.kind == "image"
        assert read_clip(manifest, row).shape == (1, 3, 48, 48)
        assert row.subject == f"p{person:06d}"
        assert row.label == manifest.labels.labels[votes.argmax()]
        assert number == int(row.id)
    assert np.allclose(manifest.targets(), exact.votes, atol=1e-4)
    assert np.allclose(exact.shares.sum(2), 1, atol=0.01)
    assert exact.coefficients.shape == (16, 1, len(exact.names))
    assert exact.landmarks.shape == (16, 1, 68, 2)


def test_nobody_is_in_train_and_in_test(made: Path) -> None:
    sides: dict[str, set[str]] = {}
    for row in load_manifest(made).rows:
        sides.setdefault(row.subject, set()).add(row.split)
    assert len(sides) == 8
    assert all(len(side) == 1 for side in sides.values())
    assert len(set.union(*sides.values())) == 2


def test_a_run_that_was_stopped_goes_on_to_the_same_files(
    made: Path, head_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PEOPLE_A_PART", 3)
    told: list[int] = []

    def stop(stage: str, done: int, total: int) -> None:
        told.append(done)
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_people(head_file, tmp_path / "set", 16, SMALL, progress=stop)
    assert not (tmp_path / "set" / "set.json").exists()
    again: list[int] = []
    write_people(head_file, tmp_path / "set", 16, SMALL, progress=lambda _, done, total: again.append(done))
    assert again == [12, 16]
    assert files(tmp_path / "set") == files(made)


def test_a_set_grows_by_asking_for_more_and_its_first_items_stay(
    made: Path, head_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PEOPLE_A_PART", 3)
    write_people(head_file, tmp_path, 7, SMALL)
    few = files(tmp_path)
    write_people(head_file, tmp_path, 16, SMALL)
    assert few.items() <= files(made).items()
    assert files(tmp_path) == files(made)
    assert len(write_people(head_file, tmp_path, 5, SMALL)) == 5


@pytest.mark.slow
def test_two_processes_write_what_one_writes(
    made: Path, head_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = dataclasses.replace(SMALL, each=1)  # 16 people a part: two parts
    write_people(head_file, tmp_path / "one", 20, big)
    write_people(head_file, tmp_path / "two", 20, big, workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert (load_exact(tmp_path / "one").landmarks == load_exact(tmp_path / "two").landmarks).all()


def test_sets_of_two_kinds_are_not_mixed(made: Path, head_file: Path) -> None:
    with pytest.raises(ConfigError, match="seed 3 instead of 9"):
        write_people(head_file, made, 16, dataclasses.replace(SMALL, seed=9))
    with pytest.raises(ConfigError, match="count"):
        write_people(head_file, made, 0, SMALL)


def test_clips_are_folders_of_frames(head_file: Path, tmp_path: Path) -> None:
    settings = PeopleSettings(size=48, frames=4, each=1)
    manifest = write_people(head_file, tmp_path, 3, settings)
    assert [row.kind for row in manifest.rows] == ["frames"] * 3
    assert read_clip(manifest, manifest.rows[0]).shape == (4, 3, 48, 48)
    assert load_exact(tmp_path).shares.shape == (3, 4, 8)


def test_mixtures_bring_their_votes_into_the_manifest(head_file: Path, tmp_path: Path) -> None:
    faces = tmp_path / "faces.npz"
    np.savez(
        faces, names=np.array(["jawOpen"]), coefficients=np.array([[0.4]]), votes=np.array([[1, 0, 3, 0, 0, 0, 0, 0]])
    )
    manifest = write_people(head_file, tmp_path / "set", 2, SMALL, faces)
    assert {row.label for row in manifest.rows} == {"surprise"}
    assert np.allclose(manifest.targets()[:, 2], 0.75, atol=1e-3)
    assert set(load_exact(tmp_path / "set").style) == {"crowd"}


def test_labels_that_are_missing_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mien prepare people"):
        load_exact(tmp_path)


def test_a_part_whose_labels_are_torn_or_whose_pictures_are_gone_is_drawn_anew(
    made: Path, head_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PEOPLE_A_PART", 3)
    write_people(head_file, tmp_path, 16, SMALL)
    torn = tmp_path / "parts" / "000000.npz"
    torn.write_bytes(torn.read_bytes()[:1000])
    (tmp_path / "pictures" / "0000" / "0000013.jpg").unlink()
    told: list[int] = []
    write_people(head_file, tmp_path, 16, SMALL, progress=lambda _, done, total: told.append(done))
    assert told == [12, 16]  # items 6 to 11 stayed, 0 to 5 and 12 to 15 were drawn
    assert files(tmp_path) == files(made)
    assert len(load_exact(tmp_path)) == 16


def test_another_set_is_not_written_over(made: Path, head_file: Path, tmp_path: Path) -> None:
    manifest = load_manifest(made)
    manifest.save(tmp_path)
    before = (tmp_path / "set.json").read_bytes()
    with pytest.raises(ConfigError, match="another set"):
        write_people(head_file, tmp_path, 4, SMALL)
    assert (tmp_path / "set.json").read_bytes() == before
    assert not (tmp_path / "people.json").exists()


@pytest.mark.parametrize("text", ["[1]", "{", "null"])
def test_notes_of_a_set_that_are_none_are_said(head_file: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(ConfigError, match=r"people\.json"):
        write_people(head_file, tmp_path, 4, SMALL)


def test_without_workers_nothing_is_begun(head_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="worker"):
        write_people(head_file, tmp_path / "set", 4, SMALL, workers=0)
    assert not (tmp_path / "set").exists()


def test_heads_turn_further_where_it_is_asked_for() -> None:
    """With a turn of 1 the faces are those of before there was one."""

    def poses(*turn: float) -> np.ndarray:
        return np.array([draw_views(np.zeros(1), np.random.default_rng(n), *turn).pose[0] for n in range(300)])

    found = {turn: poses(turn) for turn in (0.0, 1.0, 2.0)}
    np.testing.assert_array_equal(found[1.0], poses())
    assert not found[0.0].any()
    spread = found[2.0].std(0) / found[1.0].std(0)
    assert ((spread > 1.7) & (spread < 2.2)).all()
    assert np.abs(found[2.0]).max(0) == pytest.approx([60, 36, 24], rel=0.2)
    with pytest.raises(ConfigError, match="turn"):
        PeopleSettings(turn=9)


def test_a_set_of_before_there_was_a_turn_or_a_course_goes_on(head_file: Path, tmp_path: Path) -> None:
    settings = PeopleSettings(size=32, each=1)
    write_people(head_file, tmp_path / "set", 2, settings)
    about = tmp_path / "set" / "people.json"
    facts = json.loads(about.read_text())
    del facts["turn"], facts["course"]
    about.write_text(json.dumps(facts))
    assert len(write_people(head_file, tmp_path / "set", 3, settings)) == 3
    with pytest.raises(ConfigError, match="turn"):
        write_people(head_file, tmp_path / "set", 3, PeopleSettings(size=32, each=1, turn=2))
