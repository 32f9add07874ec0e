"""``mien evaluate``: runs on prepared sets, folds, comparisons, and tables of predictions without a model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mien.core.labels import LABEL_SPACES
from mien.data.covers import covers
from mien.data.display import displays
from mien.data.manifest import Manifest, Row
from mien.data.splits import hold_out
from mien.evaluation.corruptions import CORRUPTIONS
from mien.evaluation.runs import predict_run
from mien.models.record import ModelRecord, Preprocessing, read_record
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, save_weights
from shape_checks import unchecked

SPACE = LABEL_SPACES["ferplus"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of clips in two folds: 3 frames each, 32 train and 16 test clips a fold."""
    folder, rng, rows = tmp_path_factory.mktemp("prepared"), np.random.default_rng(0), []
    for number in range(48):
        name = f"c{number:02}"
        (folder / "crops" / name).mkdir(parents=True)
        for frame in range(3):
            cv2.imwrite(
                str(folder / "crops" / name / f"{frame}.png"), rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
            )
        for fold in (1, 2):
            split = "test" if number // 16 == fold else "train"
            rows.append(Row(name, f"crops/{name}", "frames", SPACE.labels[number % 8], split, fold))
    Manifest("clips", SPACE, tuple(rows), folder, 32).save(folder)
    return folder


def make_weights(path: Path, **about: object) -> None:
    """A model whose answers mean nothing; without the landmark net, which would take most of the time."""
    torch.manual_seed(len(path.stem) + sum(path.stem.encode()))
    shape = S2DConfig(input_size=32, patch=16, dim=32, depth=1, heads=2, classes=8, prompts=False)
    record = ModelRecord(path.stem, SPACE, Preprocessing(32, 32), {}, frames=4, **about)
    recognizer = Recognizer(S2D(shape), None, record.preprocessing)
    torch.nn.init.normal_(recognizer.s2d.head.weight, std=3)
    save_weights(recognizer, record, path)


def make_run(folder: Path, data: Path, fold: int, protocol: str = "clean") -> Path:
    """What training leaves: weights with a record, and run.json."""
    folder.mkdir()
    make_weights(folder / f"{folder.name}.safetensors", dataset="clips", fold=fold, protocol=protocol)
    facts = {"recipe": "ClipRun", "dataset": "clips", "data": str(data), "fold": fold, "protocol": protocol}
    (folder / "run.json").write_text(json.dumps({**facts, "fields": {"fit": {"seed": 5}}}))
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Weights that say nothing of their training."""
    make_weights(tmp_path / "bare.safetensors")
    return tmp_path / "bare.safetensors"


@pytest.fixture
def runs(tmp_path: Path, prepared: Path) -> list[Path]:
    return [make_run(tmp_path / f"fold{fold}", prepared, fold) for fold in (1, 2)]


def test_a_run_folder_is_all_that_is_needed(mien, runs, tmp_path) -> None:
    ran = mien("evaluate", runs[0], "--out", tmp_path / "out")
    assert (ran.code, ran.err) == (0, "")
    assert "16 items: fold1 on clips fold 1 test, protocol clean" in ran.out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["dataset"], report["fold"], report["protocol"], report["items"]) == ("clips", 1, "clean", 16)
    assert (tmp_path / "out" / "report.md").read_text() == ran.out
    for name in ("predictions.csv", "confusion.csv", "confusion.png", "reliability.png"):
        assert (tmp_path / "out" / name).stat().st_size
    (again,) = mien("evaluate", tmp_path / "out" / "predictions.csv", "--json").lines
    assert again["uar"] == report["uar"]


def test_folds_make_a_table_with_a_mean(mien, runs, tmp_path) -> None:
    ran = mien("evaluate", *runs, "--out", tmp_path / "out", "--json")
    (table,) = ran.lines
    alone = [mien("evaluate", run, "--json").lines[0]["uar"]["value"] for run in runs]
    assert table["mean"]["uar"] == pytest.approx(np.mean(alone))
    assert table["std"]["uar"] == pytest.approx(np.std(alone, ddof=1))
    assert table["protocol"] == "clean"
    assert (tmp_path / "out" / "fold2" / "confusion.png").is_file()


def test_protocols_are_never_mixed(mien, runs, tmp_path, prepared) -> None:
    other = make_run(tmp_path / "loose", prepared, 2, "official")
    ran = mien("evaluate", runs[0], other)
    assert (ran.code, ran.out) == (1, "")
    assert "one protocol, got clean and official" in ran.err
    assert "one protocol" in mien("evaluate", runs[1], other, "--compare").err
    assert "of protocol official" in mien("evaluate", runs[0], "--protocol", "official").err
    assert "official: as published" in mien("evaluate", other).out


def test_a_fold_is_not_tested_by_what_trained_on_it(mien, runs, bare, prepared) -> None:
    ran = mien("evaluate", runs[0], "--fold", "2")
    assert (ran.code, ran.out) == (1, "")
    assert "trained on fold 1" in ran.err
    assert "a fold of clips: 1, 2" in mien("evaluate", bare, "--data", prepared).err
    ran = mien("evaluate", bare, "--data", prepared, "--fold", "2", "--protocol", "clean", "--json")
    assert (ran.lines[0]["fold"], ran.lines[0]["protocol"]) == (2, "clean")


def test_valid_is_what_training_held_out(mien, runs, prepared, tmp_path) -> None:
    from mien.data.manifest import load_manifest

    assert mien("evaluate", runs[0], "--split", "valid", "--out", tmp_path / "out").code == 0
    rows = hold_out(load_manifest(prepared).select(fold=1), seed=5).select("valid").rows
    lines = (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [row.id for row in rows]
    assert mien("evaluate", runs[0] / "fold1.safetensors", "--split", "valid", "--out", tmp_path / "file").code == 0
    assert (tmp_path / "file" / "predictions.csv").read_text().splitlines()[1:] == lines


def test_what_training_held_out_is_not_guessed(mien, runs, prepared, tmp_path) -> None:
    alone = shutil.copy(runs[0] / "fold1.safetensors", tmp_path / "alone.safetensors")
    ran = mien("evaluate", alone, "--data", prepared, "--split", "valid")
    assert (ran.code, ran.out) == (1, "")
    assert "what training held out, got fold1 without it" in ran.err
    assert mien("evaluate", alone, "--data", prepared).code == 0
    facts = json.loads((runs[0] / "run.json").read_text())
    (runs[0] / "run.json").write_text(json.dumps({**facts, "fields": {**facts["fields"], "name": "another"}}))
    assert "without it" in mien("evaluate", runs[0] / "fold1.safetensors", "--data", prepared, "--split", "valid").err
    assert mien("evaluate", runs[0], "--split", "valid").code == 0


def test_another_engine_is_measured_too(mien, runs, prepared, tmp_path) -> None:
    (torch_report,) = mien("evaluate", runs[0], "--json").lines
    with unchecked():
        ran = mien("evaluate", runs[0], "--backend", "openvino", "--json")
        assert mien("export", runs[0] / "fold1.safetensors", "--to", "onnx", "-o", tmp_path / "made").code == 0
    ground = ("--data", prepared)
    exported = mien("evaluate", tmp_path / "made" / "fold1.onnx", *ground, "--json")
    for one, engine in ((ran, "openvino"), (exported, "onnxruntime")):
        assert one.code == 0, one.err
        assert one.lines[0]["war"] == torch_report["war"]
        assert one.lines[0]["ece"]["value"] == pytest.approx(torch_report["ece"]["value"], abs=1e-3)
        assert any(note.startswith(f"computed by {engine} in float32") for note in one.lines[0]["notes"])
    assert torch_report["notes"] == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--backend", "onnx", "--keep"), "the answers of PyTorch"),
        (("--backend", "onnx", "--device", "cuda"), "--device cpu for an engine"),
    ],
)
def test_what_another_engine_cannot_is_refused(mien, runs, flags, said) -> None:
    ran = mien("evaluate", runs[0], *flags)
    assert (ran.code != 0, ran.out) == (True, "")
    assert said in ran.err


def test_two_runs_against_each_other(mien, runs, tmp_path, prepared) -> None:
    rival = make_run(tmp_path / "rival", prepared, 1)
    mien("evaluate", rival, "--out", tmp_path / "rival-out")
    (direct,) = mien("evaluate", runs[0], rival, "--compare", "--json").lines
    (table,) = mien("evaluate", runs[0], tmp_path / "rival-out" / "predictions.csv", "--compare", "--json").lines
    assert direct == table
    assert direct["items"] == 16
    assert "McNemar" in mien("evaluate", runs[0], rival, "--compare").out
    assert "the same ids" in mien("evaluate", *runs, "--compare").err


def test_spoilt_pictures_of_two_models(mien, runs, tmp_path, prepared) -> None:
    rival = make_run(tmp_path / "rival", prepared, 1)
    out = tmp_path / "out"
    ran = mien("evaluate", runs[0], rival, "--robustness", "--out", out)
    assert ran.code == 0, ran.err
    (clean,) = mien("evaluate", runs[0], "--json").lines
    models = json.loads((out / "report.json").read_text())["models"]
    assert list(models) == ["fold1", "rival"]
    assert models["fold1"]["as they are"]["war"] == clean["war"]
    assert list(models["fold1"]) == ["as they are", *CORRUPTIONS]
    assert "| mouth hidden |" in ran.out
    assert (out / "report.md").read_text().count("\n| ") == 2 + len(CORRUPTIONS)


@pytest.mark.parametrize(("spoilt", "changes"), [("covers", covers()), ("display", displays())])
def test_other_ways_to_spoil_pictures(mien, runs, spoilt: str, changes: Mapping[str, object]) -> None:
    ran = mien("evaluate", runs[0], "--robustness", "--spoilt", spoilt, "--json")
    assert ran.code == 0, ran.err
    (models,) = ran.lines[0]["models"].values()
    assert list(models) == ["as they are", *changes]


def test_what_cannot_stand_in_one_table_is_refused_before_the_long_part(
    mien, runs, tmp_path, prepared, monkeypatch
) -> None:
    other = make_run(tmp_path / "loose", prepared, 1, "official")
    asked: list[object] = []

    def counted(run, ground, progress, change):
        asked.append(change)
        return predict_run(run, ground, progress, change)

    monkeypatch.setattr("mien.evaluation.runs.predict_run", counted)
    ran = mien("evaluate", runs[0], other, "--robustness")
    assert (ran.code, ran.out) == (1, "")
    assert "one protocol" in ran.err
    assert asked == [None, None]


def test_figures_go_into_the_record_under_their_folds_name(mien, runs) -> None:
    (report,) = mien("evaluate", runs[0], "--keep", "--json").lines
    scores = read_record(runs[0] / "fold1.safetensors").scores
    assert scores["clips_fold1_test_uar"] == round(report["uar"]["value"], 4)


def test_predictions_of_other_software_need_no_torch(tmp_path) -> None:
    (tmp_path / "p.csv").write_text("id,happy,sad\na,0.9,0.1\nb,0.2,0.8\nc,0.6,0.4\n")
    (tmp_path / "l.csv").write_text("id,label\nc,sad\na,happy\nb,sad\n")
    program = (
        "import sys; from mien.cli.main import main; "
        "code = main(['evaluate', '--predictions', 'p.csv', 'l.csv', '--protocol', 'clean', '--json', '-o', 'out']); "
        "assert not {'torch', 'cv2', 'av'} & set(sys.modules); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert figures["war"]["value"] == pytest.approx(2 / 3)
    assert figures["recall"] == {"happiness": 1.0, "sadness": 0.5}
    assert figures["protocol"] == "clean"
    assert (tmp_path / "out" / "reliability.png").is_file()


def test_other_labels_need_to_be_asked_for(mien, bare, prepared, tmp_path) -> None:
    folder = tmp_path / "seven"
    shutil.copytree(prepared, folder)
    body = json.loads((folder / "set.json").read_text())
    body["labels"]["labels"] = [*SPACE.labels[:7], "boredom"]
    (folder / "set.json").write_text(json.dumps(body))
    rows = (folder / "manifest.csv").read_text().replace("contempt", "boredom")
    (folder / "manifest.csv").write_text(rows)
    refused = mien("evaluate", bare, "--data", folder, "--fold", "1")
    assert (refused.code, refused.out) == (1, "")
    assert "only in the model: contempt; only in the data: boredom" in refused.err
    ran = mien("evaluate", bare, "--data", folder, "--fold", "1", "--map")
    assert ran.code == 0
    assert "14 items" in ran.out
    assert "evaluated on the 7 shared classes" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "--compare"), "two runs with --compare"),
        (("a", "--predictions", "p.csv", "l.csv"), "--predictions alone"),
        (("a.csv", "--keep"), "--keep with weights"),
        (("a", "--robustness", "--keep"), "expected one task at a time, got --robustness and --keep"),
        (("--open-words", "a.csv", "b.csv", "--probe", "1"), "one task at a time"),
        (("a", "--probe", "1", "--by", "subject"), "one task at a time, got --probe and --by"),
        (("a", "--forgotten", "l.txt", "--centre", "subject"), "one task at a time"),
        (("a", "--forgotten", "l.txt", "--data", "d", "--split", "train"), "a split that the model has not seen"),
        (("no-such-model",), "did you mean|use one of"),
        ((), "--data for a model without run.json"),
        (("--data", "gone.npz"), "no file at gone.npz"),
        (("--device", "cuda", "--data", "gone.npz"), "a device of this machine: cpu"),
        (("--views", "0", "--data", "gone.npz"), "at least one view"),
    ],
)
def test_mistakes_are_answered_in_a_line(mien, words, said, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    ran = mien("evaluate", *words)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert any(part in ran.err for part in said.split("|")), ran.err


def test_boxes_with_labels_are_measured_from_two_tables(mien, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("frame,x0,y0,x1,y1,label\n0,0,0,10,10,happy\n1,0,0,10,10,anger\n")
    found = "frame,x0,y0,x1,y1,label,score\n0,0,0,10,10,happiness,0.9\n1,5,0,10,10,anger,0.8\n"
    (tmp_path / "found.csv").write_text(found)
    tables = ("--boxes", tmp_path / "truth.csv", tmp_path / "found.csv")
    ran = mien("evaluate", *tables, "--json", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    figures = json.loads(ran.out)
    assert figures["labels"]["happiness"] == {"true": 1, "found": 1, "ap50": 1.0, "ap50_95": 1.0}
    # Half of the face is enough at the first of ten thresholds.
    assert (figures["map50"], figures["map50_95"]) == (1.0, pytest.approx(0.55))
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == figures
    assert "| mean | 2 | 2 | 100.0 % | 55.0 % |" in (tmp_path / "out" / "report.md").read_text()
    refused = mien("evaluate", "s2d-small", *tables)
    assert (refused.code, "--boxes alone" in refused.err) == (1, True)
