"""The weights inside the package: small enough, honest about themselves, and what the README says of them is true."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.core.labels import LABEL_SPACES
from mien.models.find import DEFAULT
from mien.models.record import SHIPPED, shipped_records
from mien.models.zoo import load_model


def test_the_default_is_shipped_and_loads_without_a_network() -> None:
    model = load_model()
    assert model.record.name == DEFAULT
    assert model.record.labels == LABEL_SPACES["ferplus"]
    probabilities = model.probabilities(np.full((1, 2, 3, 48, 48), 127, np.uint8))
    assert probabilities.shape == (1, 8)
    np.testing.assert_allclose(probabilities.sum(), 1)


def test_loading_imports_nothing_that_takes_seconds() -> None:
    heavy = "('torch._dynamo', 'torch._inductor', 'sympy', 'cv2', 'av')"
    program = (
        "import sys; from mien.models.zoo import load_model; load_model()\n"
        f"assert not [name for name in {heavy} if name in sys.modules], sorted(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-400:]


def test_all_weights_together_stay_within_60_mb() -> None:
    files = list(SHIPPED.glob("*.safetensors"))
    assert files
    assert sum(path.stat().st_size for path in files) < 60e6


@pytest.mark.parametrize("record", shipped_records(), ids=lambda record: record.name)
def test_every_record_says_what_a_user_must_know(record) -> None:
    assert record.licence
    assert "FERPlus" in record.trained_on
    assert 0 < record.threshold < 1
    assert 0.05 < record.temperature < 20
    assert record.parameters < 30e6
    assert {"ferplus_test_war", "ferplus_test_uar", "ferplus_test_ece"} <= record.scores.keys()
    assert Path(record.source).stem == record.name


def test_readme_gives_the_figures_of_the_record(root: Path) -> None:
    (record,) = [record for record in shipped_records() if record.name == DEFAULT]
    text = (root / "README.md").read_text()
    assert f"{100 * record.scores['ferplus_test_war']:.1f} %" in text
    assert f"{100 * record.scores['ferplus_test_uar']:.1f} %" in text
    assert re.search(rf"\b{record.scores['ferplus_test_ece']:.3f}\b", text)


@pytest.mark.parametrize("record", shipped_records(), ids=lambda record: record.name)
def test_the_model_card_gives_the_figures_of_every_record(root: Path, record) -> None:
    text = (root / "docs" / "model-card.md").read_text()
    scores = {name.removeprefix("ferplus_test_"): 100 * value for name, value in record.scores.items()}
    for name in ("war", "uar"):
        assert f"{scores[name]:.2f} % ({scores[name + '_low']:.2f} to {scores[name + '_high']:.2f})" in text
    assert f"| {scores['ece'] / 100:.3f} |" in text
    assert f"{scores['answered']:.1f} %, {scores['precision_answered']:.1f} %" in text
    recalls = [f"{scores[f'recall_{label}']:.0f}" for label in record.labels.labels]
    assert f"{', '.join(recalls[:4])} %" in text
    assert f"{', '.join(recalls[4:])} %" in text
