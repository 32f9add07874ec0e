"""The terms of a loss: what each computes, how a recipe names them, what the log says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.models.net import Answer
from mien.training.learner import Inputs, Learner, net_state
from mien.training.terms import Setting, SoftLabels, Step, named_terms

SETTING = Setting(LabelSpace("four", ("a", "b", "c", "d")), 3, torch.tensor([80, 10, 8, 2]))


def loss(name: str, logits: Tensor, targets: Tensor) -> Tensor:
    ((weight, term),) = named_terms([name], SETTING).values()
    answer = Answer(logits, torch.zeros(len(logits), 3))
    step = Step(torch.zeros(len(logits), 1, 1, 2, 2), targets, targets.argmax(1), 0, lambda: answer)
    return weight * term(answer, step)


def test_a_hard_target_gives_the_plain_cross_entropy_and_a_soft_one_its_mixture() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    hard = F.one_hot(labels, 4).float()
    assert loss("labels", logits, hard).item() == pytest.approx(F.cross_entropy(logits, labels).item())
    mixed = loss("labels", logits, 0.3 * hard + 0.7 * hard.flip(0)).item()
    parts = loss("labels", logits, hard).item(), loss("labels", logits, hard.flip(0)).item()
    assert mixed == pytest.approx(0.3 * parts[0] + 0.7 * parts[1])


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.tensor([[20.0, 0.0, 0.0, 0.0]], dtype=torch.bfloat16)
    found = loss("labels", logits, torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    assert found.dtype == torch.float32
    assert found.item() < 1e-7


def test_rows_that_nobody_labelled_count_nothing() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    targets = torch.tensor([[1.0, 0, 0, 0], [float("nan")] * 4, [0, 0, 0.5, 0.5]])
    known = torch.tensor([True, False, True])
    found = loss("labels", logits, targets)
    assert found.item() == pytest.approx(F.cross_entropy(logits[known], targets[known]).item())
    found.backward()
    assert not logits.grad[1].any()
    nothing = loss("labels", logits, torch.full((3, 4), float("nan")))
    assert nothing.isfinite()


def test_adjusted_labels_shift_the_logits_by_the_log_shares() -> None:
    """Against the equation in NumPy: -log(p_y exp(z_y) / sum p_k exp(z_k))."""
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    labels = np.array([0, 1, 2, 3, 3])
    share = SETTING.counts.numpy() / SETTING.counts.sum().item()
    powers = share * np.exp(logits.double().numpy())
    expected = -np.log(powers[np.arange(5), labels] / powers.sum(1)).mean()
    targets = F.one_hot(torch.from_numpy(labels), 4).float()
    assert loss("adjusted", logits, targets).item() == pytest.approx(expected, rel=1e-5)
    assert loss("adjusted=0.25", logits, targets).item() == pytest.approx(expected / 4, rel=1e-5)


@pytest.mark.parametrize(
    "words", [("lables",), ("labels", "labels=2"), ("labels=-1",), ("labels=much",), ("labels=inf",)]
)
def test_terms_that_cannot_be_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        named_terms(words, SETTING)


class Net(nn.Module):
    """Counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.passes = nn.Linear(4, 4), 0

    def forward(self, frames: Tensor, landmark_map: Tensor | None) -> tuple[Tensor, Tensor]:
        self.passes += 1
        feature = frames.flatten(1)
        return self.head(feature), feature


class Reads(SoftLabels):
    """Asks for the answer before mixing."""

    def reads_plain(self, epoch: int) -> bool:
        return epoch > 0

    def forward(self, answer: Answer, step: Step) -> Tensor:
        return (answer.logits - step.plain().logits).square().sum() if step.epoch else super().forward(answer, step)


def test_a_learner_weighs_its_terms_and_asks_twice_only_where_clips_were_mixed() -> None:
    net = Net()
    learner = Learner(net, {"labels": (0.5, SoftLabels(SETTING)), "reads": (2.0, Reads(SETTING))})
    clips = torch.rand(2, 1, 1, 2, 2)
    inputs = Inputs(clips[:, :, 0], None)
    targets = F.one_hot(torch.tensor([1, 2]), 4).float()
    found = learner(inputs, clips, targets, targets.argmax(1), 0, None)
    assert found["reads"].item() == pytest.approx(4 * found["labels"].item())
    assert (net.passes, learner.wants_plain(0), learner.wants_plain(1)) == (1, False, True)
    same = learner(inputs, clips, targets, targets.argmax(1), 1, None)["reads"]
    assert (same.item(), net.passes) == (0, 2)
    other = learner(inputs, clips, targets, targets.argmax(1), 1, Inputs(clips[:, :, 0].flip(0), None))["reads"]
    assert other.item() > 0
    assert net.passes == 4
    assert set(net_state(learner.state_dict())) == set(net.state_dict())


class Fixed(nn.Module):
    """A network that says what it is told to."""

    def __init__(self, said: object) -> None:
        super().__init__()
        self.said = said

    def forward(self, *_: object) -> object:
        return self.said


@pytest.mark.parametrize(
    "said",
    [
        torch.zeros(2, 4),
        Answer(torch.zeros(2, 1, 4), torch.zeros(2, 3)),
        Answer(torch.zeros(2, 5), torch.zeros(2, 3)),
        Answer(torch.zeros(2, 4), torch.zeros(2, 1, 3)),
    ],
)
def test_a_network_that_answers_otherwise_is_told_what_is_wanted(said: object) -> None:
    learner, clips = Learner(Fixed(said), named_terms(["labels"], SETTING)), torch.zeros(2, 1, 3, 8, 8)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="correct the network's forward"):
        learner(Inputs(clips, None), clips, torch.eye(4)[:2], torch.tensor([0, 1]), 0, None)
