"""The one value of the room, and its table: read back to the digit, and refused where it does not add up."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError, InputError
from mien.core.labels import LabelSpace
from mien.evaluation.predictions import Predictions, load_labels, load_predictions

SPACE = LabelSpace("three", ("anger", "fear", "neutral"))


@pytest.fixture
def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 20)
    ids = tuple(f"clip,{i}" for i in range(20))
    about = {"dataset": "made", "split": "test", "fold": 2, "protocol": "clean", "model": "m", "threshold": 0.1 + 0.2}
    return Predictions(ids, SPACE, probabilities, rng.integers(3, size=20), **about)


def test_a_table_comes_back_to_the_last_digit(predictions: Predictions, tmp_path: Path) -> None:
    predictions.save(tmp_path / "p.csv")
    back = load_predictions(tmp_path / "p.csv")
    np.testing.assert_array_equal(back.probabilities, predictions.probabilities)
    np.testing.assert_array_equal(back.targets, predictions.targets)
    for name in ("ids", "dataset", "split", "fold", "protocol", "model", "threshold"):
        assert getattr(back, name) == getattr(predictions, name)
    assert back.labels.labels == SPACE.labels


def written(folder: Path, text: str, name: str = "p.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_strangers_table_of_probabilities(tmp_path: Path) -> None:
    # Spreadsheet software's mark at the start; spellings of mien's aliases; two decimals.
    path = written(tmp_path, "\ufeffid,Happy,Sad,angry\na,0.33,0.33,0.33\nb,0.1,0.8,0.1\n")
    found = load_predictions(path).with_targets({"b": "sadness", "a": "anger"})
    assert found.labels.labels == ("happiness", "sadness", "anger")
    assert found.targets.tolist() == [2, 1]
    assert (found.model, found.protocol) == ("p", "")


def test_a_table_of_answers_alone(tmp_path: Path) -> None:
    labels = load_labels(written(tmp_path, "id,label\na,happy\nb,sad\nc,fear\n", "labels.csv"))
    found = load_predictions(written(tmp_path, "id,label\na,happy\nb,happy\nc,happy\n"), labels.values())
    found = found.with_targets(labels)
    assert found.labels.labels == ("fear", "happiness", "sadness")
    assert found.certain
    assert found.answers.tolist() == [1, 1, 1]
    assert found.targets.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,x,y\na,0.5,0.5\na,0.5,0.5\n", "a more than once"),
        ("id,x,y\na,3.1,-2.1\n", "apply the softmax"),
        ("id,x,y\na,0.5,0.1\n", "sum 0.6"),
        ("id,x,y\na,nan,0.1\n", "sum nan"),
        ("id,x,y\na,much,0.1\n", "ValueError"),
        ("id,x,y\na,0.5\n", "row 2"),
        ("id,x,y,fold\na,0.5,0.5,1\nb,0.5,0.5,2\n", "column fold holds 1, 2"),
        ("id,x,x\na,0.5,0.5\n", "columns id, x, x"),
        ("id,happy,happiness\na,0.5,0.5\n", "distinct label names"),
        ("name,x\na,1\n", "columns name, x"),
        ("id\na\n", "label"),
        ("id,x,y\n", "without rows"),
        ("id,x,y,target\na,0.5,0.5,z\n", "among x, y"),
    ],
)
def test_a_table_that_does_not_add_up_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_predictions(written(tmp_path, text))


def test_labels_of_other_items_or_classes_are_refused(predictions: Predictions, tmp_path: Path) -> None:
    names = dict.fromkeys(predictions.ids, "fear")
    with pytest.raises(DataError, match=r"1 that the labels lack, .* clip,0"):
        predictions.with_targets({key: name for key, name in names.items() if key != "clip,0"})
    with pytest.raises(DataError, match=r"1 that the predictions lack, .* more"):
        predictions.with_targets({**names, "more": "fear"})
    with pytest.raises(DataError, match="contempt"):
        predictions.with_targets({**names, "clip,3": "contempt"})
    with pytest.raises(DataError, match="no file"):
        load_labels(tmp_path / "absent.csv")


def test_the_title_names_the_protocol(predictions: Predictions) -> None:
    assert "made fold 2 test, protocol clean: choices were made on held-out" in predictions.title
    assert "protocol not stated" in replace(predictions, protocol="").title


def test_figures_of_tables_load_no_torch() -> None:
    modules = ("predictions", "report", "folds", "compare", "runs", "pictures", "metrics", "calibration")
    program = "; ".join(f"import mien.evaluation.{name}" for name in modules)
    heavy = "{'torch', 'cv2', 'av', 'matplotlib'}"
    checked = subprocess.run(
        [sys.executable, "-c", f"{program}; import mien.cli.evaluate, sys; print({heavy} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout.strip() == "set()"
