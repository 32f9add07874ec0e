"""Reports, tables of folds, and the files they leave."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.errors import DataError, MissingDependencyError
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.core.softmax import softmax
from mien.evaluation.folds import Table
from mien.evaluation.pictures import draw_confusion, draw_reliability, write_pictures
from mien.evaluation.predictions import Predictions
from mien.evaluation.report import make_report

SPACE = LABEL_SPACES["ferplus"]


def answers(right: int, fold: int = 0, **about: str) -> Predictions:
    """80 items, ten of each class, of which the first ``right`` are answered rightly."""
    labels = np.arange(80) % 8
    said = np.where(np.arange(80) < right, labels, (labels + 1) % 8)
    about = {"dataset": "dfew", "split": "test", "protocol": "clean", "model": "m", **about}
    ids = tuple(map(str, range(80)))
    return Predictions(ids, SPACE, softmax(4 * np.eye(8)[said]), labels, fold=fold, threshold=0.5, **about)


def test_report_says_what_the_metrics_say() -> None:
    report = make_report(answers(60))
    assert report.war.value == pytest.approx(0.75)
    assert report.recall["neutral"] == pytest.approx(0.8)
    assert report.to_dict()["confusion"][0][:2] == [8, 2]
    assert "| WAR | 75.00 % |" in report.to_markdown()
    assert "| neutral | 80.0 % | 10 |" in report.to_markdown()
    assert "protocol clean" in report.to_markdown()
    assert report.to_dict()["protocol"] == "clean"


def test_scores_for_the_record_are_named_after_data_fold_and_split() -> None:
    report = make_report(answers(60, dataset="ferplus"))
    scores = report.scores()
    assert scores["ferplus_test_war"] == 0.75
    assert (scores["ferplus_test_war_low"], scores["ferplus_test_war_high"]) == tuple(
        round(bound, 4) for bound in (report.war.low, report.war.high)
    )
    recalls = {name: value for name, value in report.recall.items() if not np.isnan(value)}
    found = {name.removeprefix("ferplus_test_recall_"): v for name, v in scores.items() if "_recall_" in name}
    assert found == pytest.approx(recalls, abs=1e-4)
    assert make_report(answers(60, fold=3)).scores().keys() >= {"dfew_fold3_test_uar", "dfew_fold3_test_ece"}


def test_answers_alone_say_nothing_about_calibration() -> None:
    labels = np.arange(8)
    report = make_report(Predictions(tuple("abcdefgh"), SPACE, np.eye(8), labels))
    assert report.calibration is None
    assert "ece" not in report.to_dict()
    assert "ECE" not in report.to_markdown()
    assert "protocol not stated" in report.to_markdown()


def test_a_class_without_items_is_said_to_have_none() -> None:
    two = LabelSpace("two", ("a", "b", "c"))
    report = make_report(Predictions(("x", "y"), two, np.eye(3)[:2] * 0.7 + 0.1, np.array([0, 1])))
    assert report.to_dict()["recall"] == {"a": 1.0, "b": 1.0, "c": None}
    assert "| c | none | 0 |" in report.to_markdown()


def test_items_without_a_true_class_are_refused() -> None:
    with pytest.raises(DataError, match="80 of 80 without"):
        make_report(replace(answers(60), targets=np.full(80, -1)))


def test_folds_have_a_mean_and_a_sample_deviation() -> None:
    table = Table((make_report(answers(40, 1)), make_report(answers(60, 2))))
    body = json.loads(json.dumps(table.to_dict()))
    assert body["mean"]["war"] == pytest.approx(0.625)
    assert body["std"]["war"] == pytest.approx(0.25 / np.sqrt(2))
    assert [run["fold"] for run in body["runs"]] == [1, 2]
    assert body["mean"]["recall neutral"] == pytest.approx(0.65)
    text = table.to_markdown()
    assert "2 folds of dfew test, protocol clean" in text
    assert "| mean | | | 62.50 | 62.50 |" in text


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (answers(60, 2, protocol="official"), "one protocol, got clean and official"),
        (answers(60, 2, protocol=""), "not stated and clean; state the missing one with --protocol"),
        (answers(60, 2, dataset="mafw"), "one dataset, got dfew and mafw"),
        (answers(60, 2, split="valid"), "one split, got test and valid"),
        (replace(answers(60, 2), labels=LabelSpace("x", tuple("abcdefgh"))), "the same classes"),
    ],
)
def test_what_must_not_be_averaged_is_refused(other: Predictions, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Table((make_report(answers(40, 1)), make_report(other)))


def test_a_fold_counted_twice_is_refused_but_repeated_runs_are_not() -> None:
    one, two = make_report(answers(40, 1)), make_report(answers(60, 2))
    with pytest.raises(DataError, match="every fold once"):
        Table((one, two, two))
    assert "3 runs of dfew" in Table((two, two, two)).to_markdown()


def test_files_of_a_report(tmp_path: Path) -> None:
    report = make_report(answers(60))
    report.save(tmp_path)
    write_pictures(report, tmp_path)
    names = {"report.json", "report.md", "predictions.csv", "confusion.csv", "confusion.png", "reliability.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with (tmp_path / "confusion.csv").open() as file:
        head, *rows = csv.reader(file)
    assert head[1:] == list(SPACE.labels)
    assert [[int(cell) for cell in row[1:]] for row in rows] == report.confusion.tolist()
    assert cv2.imread(str(tmp_path / "confusion.png")).std() > 5
    assert len(json.loads((tmp_path / "report.json").read_text())["risk_coverage"]["risk"]) <= 101


def test_every_fold_gets_a_folder(tmp_path: Path) -> None:
    Table((make_report(answers(40, 1)), make_report(answers(60, 2)))).save(tmp_path)
    assert json.loads((tmp_path / "fold2" / "report.json").read_text())["war"]["value"] == 0.75
    assert "mean" in (tmp_path / "report.md").read_text()


def test_pictures_show_the_figures() -> None:
    report = make_report(answers(60))
    (axes, _) = draw_confusion(report).axes
    shown = {text.get_text() for text in axes.texts}
    assert shown == {"80 %\n8", "20 %\n2", "70 %\n7", "30 %\n3"}
    assert "protocol clean" in axes.get_title()
    left, right = draw_reliability(report).axes
    assert f"ECE {report.calibration.ece.value:.3f}" in left.get_title()
    np.testing.assert_allclose(right.lines[0].get_ydata(), 100 * report.calibration.risk)


def test_pictures_without_matplotlib_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="everything but the pictures is written"):
        draw_confusion(make_report(answers(60)))
