"""Self-distillation: the released code's numbers, the anchors' queues, many processes, and what it is good for."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import distributed, multiprocessing, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from official import uniform

from mien.core.errors import ConfigError
from mien.evaluation.metrics import expected_calibration_error
from mien.training.sdl import Anchors, SdlSettings, SelfDistillation

CASES = {case["salt"]: case for case in json.loads((Path(__file__).parent / "official_sdl.json").read_text())}
ALWAYS = ((0, 1.0),)


def drawn(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(uniform(name, shape)).float()


@pytest.mark.parametrize("salt", sorted(CASES))
def test_the_official_mode_gives_the_released_codes_numbers(salt: str) -> None:
    case = CASES[salt]
    classes, dim, batch = case["num_classes"], case["dim"], case["batch"]
    plan = SdlSettings("official", case["queue_size"], case["k"], schedule=((0, 0.0), (100, 0.5)))
    sdl = SelfDistillation(plan, classes, dim)
    sdl.anchors.features.copy_(drawn(salt + "queue", *sdl.anchors.features.shape))
    sdl.anchors.probabilities.copy_(drawn(salt + "probe", *sdl.anchors.probabilities.shape))
    for step in range(case["updates"]):
        features = 2 * drawn(f"{salt}x{step}", batch, dim) - 1
        logits = 4 * drawn(f"{salt}logits{step}", batch, classes) - 2
        labels = (torch.from_numpy(uniform(f"{salt}y{step}", (batch,))) * classes).long()
        sdl.observe(features, logits, labels, epoch=100)
    np.testing.assert_allclose(sdl.anchors.features.sum((1, 2)), case["queue_sum"], atol=1e-4)
    np.testing.assert_allclose(sdl.anchors.probabilities.sum((1, 2)), case["probe_sum"], atol=1e-4)
    features = 2 * drawn(salt + "query", batch, dim) - 1
    logits = 4 * drawn(salt + "qlogits", batch, classes) - 2
    np.testing.assert_allclose(sdl.anchors.targets(features, plan.top_k, None), case["soft_targets"], atol=1e-5)
    assert sdl.loss(logits, features, 100).item() == pytest.approx(0.5 * case["bce_with_logits"], abs=1e-6)


def test_in_a_run_of_100_epochs_the_official_anchors_stay_random() -> None:
    plan = SdlSettings("official")
    assert not any(plan.observes(epoch) for epoch in range(100))
    assert [epoch for epoch in range(301) if plan.observes(epoch)] == [100, 200, 300]
    sdl = SelfDistillation(plan, 7, 768)
    before = sdl.anchors.features.clone()
    sdl.observe(torch.randn(4, 768), torch.randn(4, 7), torch.zeros(4).long(), epoch=50)
    assert torch.equal(sdl.anchors.features, before)
    sums = sdl.anchors.targets(torch.rand(64, 768), 2, None).sum(1)
    assert 3 < sums.min() < sums.max() < 4.5


def test_the_weight_follows_the_published_schedule() -> None:
    plan = SdlSettings("anchors")
    epochs = [0, 29, 30, 49, 50, 59, 60, 79, 80, 99]
    assert [plan.weight(epoch) for epoch in epochs] == [0, 0, 0.01, 0.01, 0.1, 0.1, 0.5, 0.5, 1, 1]
    assert [epoch for epoch in range(100) if plan.observes(epoch)] == list(range(21, 100))


def test_queues_are_filled_in_order_and_the_oldest_goes_first() -> None:
    anchors = Anchors(2, 1, 3)
    labels = torch.tensor([0, 1, 0, 0, -1, 0, 0])
    items = torch.arange(7.0)[:, None]
    one_by_one = Anchors(2, 1, 3)
    for item, label in zip(items, labels, strict=True):
        one_by_one.update(item[None], F.one_hot(torch.tensor([0]), 2), label[None])
    anchors.update(items, F.one_hot(torch.zeros(7).long(), 2), labels)
    assert anchors.features[:, :, 0].tolist() == [[5.0, 6.0, 3.0], [1.0, 0.0, 0.0]]
    for name, kept in anchors.state_dict().items():
        assert torch.equal(kept, one_by_one.state_dict()[name]), name


def filled(plan: SdlSettings, classes: int = 3, absent: tuple[int, ...] = ()) -> SelfDistillation:
    """Anchors along the axes: a class's features point one way, its probabilities are sure."""
    sdl = SelfDistillation(plan, classes, classes)
    labels = torch.tensor([c for c in range(classes) if c not in absent]).repeat(plan.queue)
    sdl.observe(F.one_hot(labels, classes).float(), 20.0 * F.one_hot(labels, classes), labels, plan.start_epoch)
    return sdl


def test_targets_are_distributions_between_the_classes_a_clip_is_like() -> None:
    sdl = filled(SdlSettings("anchors", queue=4, start_epoch=0))
    between = sdl.anchors.targets(torch.tensor([[1.0, 0, 0], [1.0, 1.0, 0]]), 2, 0.1)
    np.testing.assert_allclose(between.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(between, [[1, 0, 0], [0.5, 0.5, 0]], atol=1e-3)


def test_nothing_is_lost_before_the_queues_are_full() -> None:
    plan = SdlSettings("anchors", queue=4, schedule=ALWAYS, start_epoch=0)
    sdl = SelfDistillation(plan, 3, 3)
    logits, features, labels = torch.randn(3, 3), torch.eye(3), torch.arange(3)
    for _ in range(4):
        assert not sdl.anchors.ready
        assert sdl.loss(logits, features, 0) == 0
        sdl.observe(features, logits, labels, 0)
    assert sdl.anchors.ready
    assert sdl.loss(logits, features, 0) > 0


def test_a_class_without_items_neither_blocks_the_others_nor_is_a_target() -> None:
    sdl = filled(SdlSettings("anchors", queue=4, start_epoch=0), absent=(2,))
    assert sdl.anchors.ready
    targets = sdl.anchors.targets(torch.eye(3), 2, 0.1)
    assert targets[:, 2].max() < 1e-6
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["kl", "bce"])
def test_the_loss_is_least_at_the_target_and_pulls_on_logits_alone(kind: str) -> None:
    sdl = filled(SdlSettings("anchors", queue=4, loss=kind, schedule=ALWAYS, start_epoch=0))
    features = torch.tensor([[1.0, 0.2, 0.1]], requires_grad=True)
    target = sdl.anchors.targets(features, 2, 0.1)
    logits = (target.log() if kind == "kl" else target.logit()).requires_grad_()
    least = sdl.loss(logits, features, 0)
    least.backward()
    assert logits.grad.abs().max() < 1e-5
    assert features.grad is None
    assert sdl.loss(logits + torch.tensor([0.5, 0, 0]), features, 0) > least
    if kind == "kl":
        assert least.item() == pytest.approx(0, abs=1e-5)


def test_a_checkpoint_keeps_the_anchors_to_the_bit() -> None:
    plan = SdlSettings("anchors", queue=4, schedule=ALWAYS, start_epoch=0)
    sdl, other = filled(plan), SelfDistillation(plan, 3, 3)
    other.load_state_dict(sdl.state_dict())
    more = torch.randn(5, 3), torch.randn(5, 3), torch.tensor([0, 0, 1, 2, 0])
    for one in (sdl, other):
        one.observe(*more, 0)
    assert torch.equal(sdl.loss(*more[:2], 0), other.loss(*more[:2], 0))


def test_half_precision_does_not_reach_the_anchors() -> None:
    sdl = filled(SdlSettings("anchors", queue=4, start_epoch=0))
    features = torch.tensor([[1.0, 0.9, 0.3]])
    want = sdl.anchors.targets(features, 2, 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_allclose(sdl.anchors.targets(features, 2, 0.1), want, atol=1e-6)


@pytest.mark.parametrize(
    "fields", [{"top_k": 17}, {"temperature": 0.0}, {"schedule": ((50, 1.0), (0, 0.0))}, {"schedule": ((0, -1.0),)}]
)
def test_plans_that_make_no_sense_are_refused(fields: dict) -> None:
    with pytest.raises(ConfigError):
        SdlSettings("anchors", **fields)


BATCH = torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 0, 0, 1, 2])


def _observe_share(rank: int, store: str, out: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    features, labels = (part[rank::2] for part in BATCH)
    sdl = SelfDistillation(SdlSettings("anchors", queue=2, start_epoch=0), 3, 5)
    sdl.observe(features, features[:, :3], labels, 0)
    torch.save(sdl.state_dict(), f"{out}{rank}")
    distributed.destroy_process_group()


def test_two_processes_keep_the_anchors_of_the_joint_batch(tmp_path: Path) -> None:
    places = str(tmp_path / "store"), str(tmp_path / "rank")
    multiprocessing.start_processes(_observe_share, places, nprocs=2, start_method="fork")
    alone = SelfDistillation(SdlSettings("anchors", queue=2, start_epoch=0), 3, 5)
    features, labels = BATCH
    alone.observe(features, features[:, :3], labels, 0)
    for rank in range(2):
        state = torch.load(tmp_path / f"rank{rank}", weights_only=True)
        for name, kept in alone.state_dict().items():
            torch.testing.assert_close(state[name], kept, rtol=0, atol=1e-7, msg=f"{name} of process {rank}")


CLASSES, DIM, AMBIGUOUS = 5, 8, 0.4


def expressions(n: int, seed: int, ambiguous: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points around five class means, a share of them half way between two, whose label is one of the two by a coin.

    Gives points (n, DIM), labels (n,), and the probability of each label (n, CLASSES).
    """
    means = torch.randn(CLASSES, DIM, generator=torch.Generator().manual_seed(99))
    means *= 1.5 / means.norm(dim=1, keepdim=True)
    rng = torch.Generator().manual_seed(seed)
    first = torch.randint(CLASSES, (n,), generator=rng)
    second = (first + 1 + torch.randint(CLASSES - 1, (n,), generator=rng)) % CLASSES
    share = torch.where(torch.rand(n, generator=rng) < ambiguous, 0.5, 1.0)[:, None]
    truth = share * F.one_hot(first, CLASSES) + (1 - share) * F.one_hot(second, CLASSES)
    points = truth @ means + 0.4 * torch.randn(n, DIM, generator=rng)
    return points, torch.multinomial(truth, 1, generator=rng)[:, 0], truth


def figures_of_a_run(seed: int, mode: str, ambiguous: float, smoothing: float = 0.0) -> tuple[float, float, float]:
    """Train a small network; on new items: accuracy where the label is sure, log loss of labels, calibration error."""
    points, labels, _ = expressions(400, seed, ambiguous)
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    head = nn.Linear(64, CLASSES)
    optimizer = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-2, foreach=True)
    # The published weights, on a schedule of 40 epochs instead of 100.
    plan = SdlSettings(mode, schedule=((0, 0.0), (3, 0.1), (6, 0.5), (10, 1.0)), start_epoch=1)
    sdl = SelfDistillation(plan, CLASSES, 64)
    for epoch in range(40):
        for batch in torch.randperm(400).split(50):
            features = body(points[batch])
            logits = head(features)
            targets = (1 - smoothing) * F.one_hot(labels[batch], CLASSES) + smoothing / CLASSES
            loss = F.cross_entropy(logits, targets) + sdl.loss(logits, features, epoch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sdl.observe(features, logits, labels[batch], epoch)
    points, labels, truth = expressions(4000, 1000 + seed, ambiguous)
    with torch.no_grad():
        logits = head(body(points))
    sure = truth.amax(1) == 1
    accuracy = (logits.argmax(1) == labels)[sure].float().mean().item()
    ece = expected_calibration_error(logits.softmax(1).double().numpy(), labels.numpy())
    return accuracy, F.cross_entropy(logits, labels).item(), ece


@cache
def figures_of_runs(mode: str, ambiguous: float, smoothing: float = 0.0) -> np.ndarray:
    return np.array([figures_of_a_run(seed, mode, ambiguous, smoothing) for seed in range(5)])


def gains(ambiguous: float, smoothing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """What anchors change in a run's figures: mean over five seeds, and twice its standard error."""
    changes = figures_of_runs("anchors", ambiguous) - figures_of_runs("off", ambiguous, smoothing)
    return changes.mean(0), 2 * changes.std(0, ddof=1) / len(changes) ** 0.5


def test_it_helps_where_labels_are_ambiguous() -> None:
    """Against coin-flip labels the network is more often right where there is a right answer, and less sure elsewhere.

    Measured: accuracy 86.8 -> 88.0 %, log loss 1.53 -> 0.90, calibration error 0.20 -> 0.02. Label smoothing of 0.1
    gives 86.2 %, 0.99 and 0.09; the test below keeps that lead.
    """
    (accuracy, log_loss, ece), (_, of_log_loss, of_ece) = gains(AMBIGUOUS)
    assert accuracy > 0
    assert log_loss + of_log_loss < -0.4
    assert ece + of_ece < -0.1


def test_it_does_more_than_label_smoothing() -> None:
    (_, log_loss, ece), (_, of_log_loss, of_ece) = gains(AMBIGUOUS, smoothing=0.1)
    assert log_loss + of_log_loss < 0
    assert ece + of_ece < 0


def test_it_costs_calibration_where_no_label_is_ambiguous() -> None:
    """The price, so that nobody turns it on blindly: sure labels are doubted too (0.05 -> 0.14)."""
    (_, _, ece), (_, _, of_ece) = gains(0.0)
    assert ece - of_ece > 0.02
