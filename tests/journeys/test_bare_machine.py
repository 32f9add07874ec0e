"""An exported file runs where there is neither mien nor torch: docs/export.md, as written, in a bare environment."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.engines.crops import sample_clips
from mien.models.zoo import load_model

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "export.md").read_text("utf-8")


def block(name: str) -> str:
    (text,) = re.findall(rf"<!-- test {name} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    return str(text)


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """An interpreter that has NumPy and ONNX Runtime and nothing else."""
    folder = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    ran = subprocess.run([*pip, "numpy", "onnxruntime"], capture_output=True, text=True)
    if ran.returncode:
        pytest.skip(f"no packages to be had: {ran.stderr.strip()[-200:]}")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_an_exported_file_runs_without_mien(desk, bare_python: Path) -> None:
    made = desk.run("bash", "-euc", block("export"))
    assert made.returncode == 0, made.stderr
    model = load_model()
    clips = sample_clips(6, 4, model.record.preprocessing.crop_size, seed=4)
    np.save(desk.folder / "clips.npy", clips)
    absent = "import importlib.util as i; assert not any(map(i.find_spec, ('mien', 'torch', 'onnx', 'cv2')))"
    ran = desk.run(bare_python, "-I", "-c", f"{absent}\n{block('bare')}")
    assert ran.returncode == 0, ran.stderr
    rows = [line.split() for line in ran.stdout.splitlines()]
    expected = model.probabilities(clips)
    np.testing.assert_allclose([[float(value) for value in row[1:]] for row in rows], expected, atol=1e-4)
    names = np.array(model.record.labels.labels)[expected.argmax(1)]
    said = np.where(expected.max(1) >= model.record.calibration.threshold, names, "unclear")
    assert [row[0] for row in rows] == said.tolist()
