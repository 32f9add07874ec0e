"""The head of text vectors: its closed forms, labels that are exchanged, and labels it was never shown."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.cli.main import main
from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.data.manifest import Manifest, Row
from mien.engines.export import export
from mien.engines.opening import open_model
from mien.models.cnn import Cnn, CnnConfig
from mien.models.network import said
from mien.models.record import SHIPPED, ModelRecord, Preprocessing, read_record
from mien.models.relabel import relabel
from mien.models.text_head import Text
from mien.models.texts import PLACES, UNITS, Vocabulary, from_units, read_vocabulary, units_vector
from mien.models.weights import Recognizer, read_tensors, save_weights
from mien.models.zoo import load_model
from mien.training.contrastive import supervised_contrastive
from mien.training.heads import parse_heads
from mien.training.masked import class_loss
from shape_checks import unchecked

NAMES = ("happiness", "sadness", "neutral")
WORDS = Signal("words", NAMES, "classes")
SIDE = 32


def vocabulary(vectors: np.ndarray, opposite: np.ndarray | None = None, source: str = "texts.json") -> Vocabulary:
    names = tuple(f"label{place}" for place in range(len(vectors)))
    return Vocabulary(names, vectors.astype(np.float32), opposite, source)


def head_of(words: Vocabulary, dim: int) -> Text:
    torch.manual_seed(0)
    head = Text(dim, Signal("words", words.labels, "classes"), words.texts(words.labels))
    head.take(words)
    return head


def unit_rows(rows: int, columns: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (2, 3, 3, 32, 32)).astype(np.uint8)


@torch.no_grad()
def test_logits_are_scaled_differences_of_cosines() -> None:
    words = vocabulary(unit_rows(4, 7, 0), unit_rows(4, 7, 1))
    head, feature = head_of(words, 5), torch.randn(6, 5)
    head.log_scale.fill_(np.log(30.0))
    p = (feature @ head.layer.weight.T + head.layer.bias).numpy()
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    assert words.opposite is not None
    np.testing.assert_allclose(head(feature), 30 * (p @ words.vectors.T - p @ words.opposite.T), atol=1e-4)
    head.log_scale.fill_(9.0)
    assert head(feature).abs().max() <= 200, "the scale is 100 at most"
    np.testing.assert_allclose(head(feature), 100 * (p @ words.vectors.T - p @ words.opposite.T), atol=1e-3)


@torch.no_grad()
def test_vectors_in_another_order_give_answers_in_that_order() -> None:
    words, feature = vocabulary(unit_rows(4, 7, 0), unit_rows(4, 7, 1)), torch.randn(6, 5)
    order = [2, 0, 3, 1]
    turned = words.of([words.labels[place] for place in order])
    torch.testing.assert_close(head_of(turned, 5)(feature), head_of(words, 5)(feature)[:, order])


@torch.no_grad()
def test_an_axis_a_label_makes_a_cosine_classifier() -> None:
    head, feature = Text(4, Signal("words", ("a", "b", "c", "d"), "classes")), torch.randn(6, 4)
    rows = torch.linalg.qr(torch.randn(4, 4)).Q
    head.layer.weight.copy_(rows)
    head.layer.bias.zero_()
    cosines = torch.nn.functional.cosine_similarity(feature[:, None], rows[None], dim=2)
    torch.testing.assert_close(head(feature), 16 * cosines)


def test_contrast_is_its_double_loop() -> None:
    feature = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_(True)
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 4])
    z = feature / feature.norm(dim=1, keepdim=True)
    each = []
    for i in range(9):
        positives = [p for p in range(9) if p != i and labels[p] == labels[i]]
        if positives:
            under = sum((z[i] @ z[a] / 0.3).exp() for a in range(9) if a != i)
            each.append(-sum(((z[i] @ z[p] / 0.3).exp() / under).log() for p in positives) / len(positives))
    wanted = torch.stack(each).mean()
    found = supervised_contrastive(feature, labels, 0.3)
    torch.testing.assert_close(found, wanted)
    ours = torch.autograd.grad(found, feature, retain_graph=True)[0]
    torch.testing.assert_close(ours, torch.autograd.grad(wanted, feature)[0])
    alone = supervised_contrastive(feature, torch.arange(9), 0.3)
    assert alone.item() == 0
    assert (torch.autograd.grad(alone, feature)[0] == 0).all()


def test_vectors_of_units_and_of_files(tmp_path: Path) -> None:
    words = from_units(("happiness", "neutral", "surprise"))
    assert words.vectors.shape == (3, len(PLACES))
    gram = words.vectors @ words.vectors.T
    np.testing.assert_allclose(np.diag(gram), 1, rtol=1e-5)
    assert gram[0, 1] == gram[1, 2] == 0
    assert gram[0, 2] == pytest.approx(1 / np.sqrt(2 * 4)), "lips part in both, of 2 and of 4 units"
    with pytest.raises(ConfigError, match="boredom"):
        from_units(("boredom",))
    file = tmp_path / "words.json"
    file.write_text(
        json.dumps({"a": {"shows": [[2, 0], [0, 5]], "shows_not": [1, 0]}, "b": {"shows": [0, 1], "shows_not": [3, 4]}})
    )
    read = read_vocabulary(file)
    np.testing.assert_allclose(read.vectors, [[0.5**0.5] * 2, [0, 1]], atol=1e-6)
    np.testing.assert_allclose(read.opposite, [[1, 0], [0.6, 0.8]], atol=1e-6)
    assert (read.source, read.labels) == ("words.json", ("a", "b"))
    file.write_text(json.dumps({"awe": {"units": [1, 5, 26]}}))
    assert read_vocabulary(file).source == UNITS
    np.testing.assert_array_equal(read_vocabulary(file).vectors[0], units_vector((26, 5, 1)))
    for wrong in (
        {},
        {"a": []},
        {"a": [0, 0]},
        {"a": [1], "b": [1, 2]},
        {"a": {"shows": [1]}},
        {"a": {"units": [99]}},
        {"a": [1], "b": {"units": [1]}},
        ["a"],
        {"a": "b"},
        {"a": {"units": 3}},
    ):
        file.write_text(json.dumps(wrong))
        with pytest.raises(ConfigError):
            read_vocabulary(file)
    with pytest.raises(ConfigError, match="JSON"):
        read_vocabulary(tmp_path / "none.json")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A tiny network with a head of the units of three expressions."""
    torch.manual_seed(0)
    pixels, words = Preprocessing(32, 32), from_units(NAMES)
    config = CnnConfig(classes=2, input_size=32, widths=(4, 8), convolutions=1)
    head = Text(config.dim, WORDS, words.texts(NAMES))
    head.take(words)
    torch.nn.init.normal_(head.layer.weight, std=3)
    record = ModelRecord(
        "worded", LabelSpace("two", ("a", "b")), pixels, {}, frames=2, signals=(WORDS,), heads={"words": "text"},
        texts={"words": words.texts(NAMES)}, scores={"x_valid_words_accuracy": 0.5, "x_valid_war": 0.4},
    )  # fmt: skip
    path = tmp_path / "worded.safetensors"
    save_weights(Recognizer(Cnn(config), None, pixels, {"words": head}).eval(), record, path, torch.float16)
    return path


def test_other_labels_leave_all_else_to_the_bit_and_are_marked(weights: Path, tmp_path: Path) -> None:
    words = from_units(("neutral", "contempt", "happiness"))
    new = relabel(weights, words, tmp_path / "other.safetensors")
    old, now = read_tensors(weights), read_tensors(tmp_path / "other.safetensors")
    assert old.keys() == now.keys()
    assert [name for name in old if not torch.equal(old[name], now[name])] == ["heads.words.vectors"]
    assert new.texts["words"].measured == ("neutral", "happiness")
    assert new.texts["words"].unmeasured(words.labels) == ("contempt",)
    assert new.signals[0].labels == words.labels
    assert "among happiness, sadness, neutral; not measured: contempt" in new.signals[0].note
    assert new.scores == {"x_valid_war": 0.4}, "figures among other labels are left out"
    before, after = load_model(weights), load_model(tmp_path / "other.safetensors")
    raw, other = before.outputs(images()), after.outputs(images())
    np.testing.assert_array_equal(raw[:, :2], other[:, :2])
    np.testing.assert_allclose(other[:, [2, 4]], raw[:, [4, 2]], atol=1e-4)
    again = relabel(tmp_path / "other.safetensors", from_units(("sadness", "neutral")), tmp_path / "third.safetensors")
    assert again.texts["words"].measured == ("neutral",), "what was dropped does not come back as measured"
    changed = Vocabulary(("happiness",), np.stack([units_vector((6, 12))]), None, UNITS)
    assert relabel(weights, changed, tmp_path / "x.safetensors").texts["words"].measured == (), "another vector"


def test_other_labels_are_exported_with_the_same_answers(weights: Path, tmp_path: Path) -> None:
    relabel(weights, from_units(("neutral", "contempt", "fear", "anger")), tmp_path / "other.safetensors")
    model = load_model(tmp_path / "other.safetensors")
    with unchecked():
        network = open_model(export(model, "onnx", tmp_path / "onnx").path)
    np.testing.assert_allclose(said(network, images()), said(model, images()), atol=1e-4)
    assert network.record.texts == model.record.texts
    assert network.record.signals[0].note == model.record.signals[0].note


def test_relabelling_refuses_what_the_head_did_not_learn_by(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    with pytest.raises(ConfigError, match="vectors of 20 numbers from action units"):
        relabel(weights, vocabulary(unit_rows(2, 20, 0)), out)
    with pytest.raises(ConfigError, match="head of text vectors for mood"):
        relabel(weights, from_units(NAMES), out, "mood")
    with pytest.raises(ConfigError, match="which has none"):
        relabel(SHIPPED / "s2d-tiny.safetensors", from_units(NAMES), out)
    assert not out.exists()


def test_a_recipe_needs_vectors_for_every_label_and_a_head_for_vectors(tmp_path: Path) -> None:
    odd, file = Signal("odd", ("awe", "boredom"), "classes"), tmp_path / "words.json"
    file.write_text(json.dumps({"awe": [1, 2], "boredom": [0, 1], "more": [1, 0]}))
    with pytest.raises(ConfigError, match="action units are known"):
        parse_heads(["odd=text"], (odd,))
    with pytest.raises(ConfigError, match=r"words\.json"):
        parse_heads(["words=text"], (WORDS,), file)
    with pytest.raises(ConfigError, match=r"--recipe\.texts for a head"):
        parse_heads(["odd=linear"], (odd,), file)
    (spec,) = parse_heads(["odd=text"], (odd,), file)
    assert spec.words is not None
    assert spec.words.labels == odd.labels, "of the file those labels alone"
    with pytest.raises(ConfigError, match="texts"):
        ModelRecord(
            "x", LabelSpace("two", ("a", "b")), Preprocessing(32, 32), {}, texts={"words": spec.words.texts(())}
        )


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces, each of another person: brows up or not, mouth open or not, corners up or down; and which of the eight."""
    rng = np.random.default_rng(seed)
    shown, found = rng.integers(0, 8, count), []
    for one in shown:
        brows, mouth, up = one >> 2, one >> 1 & 1, one & 1
        fields = np.array([0.8 * (2 * up - 1), 0.8 * mouth, 0.8 * brows, 0.0, 0.0]) + rng.normal(0, 0.05, 5)
        fields[1] = max(fields[1], 0)
        pose = Pose(*(np.array([value]) for value in (0.5, 0.5, 0.0, 0.36)))
        found.append(draw_frames(draw_person(rng), Expression(*fields[:, None]), pose, SIDE)[0])
    return np.stack(found), shown


def unit_words() -> Vocabulary:
    """The eight as their action units."""
    units = [
        (*((1, 2) if one >> 2 else (4,)), *((25, 26) if one >> 1 & 1 else (24,)), 12 if one & 1 else 15)
        for one in range(8)
    ]
    return Vocabulary(
        tuple(f"face{one}" for one in range(8)), np.stack([units_vector(one) for one in units]), None, UNITS
    )


def learnt(feature: torch.Tensor, shown: torch.Tensor, words: Vocabulary, left_out: int) -> Text:
    """A head that learned seven of the eight, with the vectors of all."""
    kept = [one for one in range(8) if one != left_out]
    head = head_of(words.of([words.labels[one] for one in kept]), feature.shape[1])
    rows = shown != left_out
    targets = torch.eye(8)[shown[rows]][:, kept]
    adam = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(150):
        adam.zero_grad()
        class_loss(head(feature[rows]), targets).backward()
        adam.step()
    whole = head_of(words, feature.shape[1])
    whole.layer, whole.log_scale = head.layer, head.log_scale
    return whole


def test_a_face_never_learned_is_named_by_its_units_and_not_by_others() -> None:
    """Every unit was seen, never in that combination. With vectors dealt out by chance, nothing of the kind."""
    (train, shown), (other, truth) = drawn(500, 0), drawn(200, 1)
    pictures = [torch.from_numpy(part[:, :, 8:30, 4:28].mean(1)).flatten(1).float() for part in (train, other)]
    middle, spread = pictures[0].mean(0), pictures[0].std(0) + 1
    feature, asked = ((part - middle) / spread for part in pictures)
    rng, words = np.random.default_rng(0), unit_words()
    own, shuffled = [], []
    for left_out in (0, 3, 5, 6):
        rows = torch.from_numpy(truth == left_out)
        for order in (np.arange(8), rng.permutation(8), rng.permutation(8)):
            dealt = Vocabulary(words.labels, words.vectors[order], None, UNITS)
            head = learnt(feature, torch.from_numpy(shown), dealt, left_out)
            share = (head(asked[rows]).argmax(1) == left_out).float().mean().item()
            (own if (order == np.arange(8)).all() else shuffled).append(share)
    assert np.mean(own) > 0.6
    assert np.mean(own) > np.mean(shuffled) + 0.4


def test_the_commands_train_relabel_and_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, shown = drawn(48, 2)
    (tmp_path / "set").mkdir()
    np.savez(tmp_path / "set" / "faces.npz", images=images.transpose(0, 2, 3, 1))
    names = ("happiness", "sadness")
    rows = tuple(
        Row(
            f"f{place}",
            f"faces.npz#images/{place}",
            "array",
            names[1 - (one & 1)],
            "train" if place < 36 else "valid",
            0,
            "",
            (),
            tuple(np.eye(2)[1 - (one & 1)]),
        )
        for place, one in enumerate(shown.tolist())
    )
    Manifest(
        "drawn", LabelSpace("drawn", names), rows, tmp_path / "set", SIDE, signals=(Signal("words", names, "classes"),)
    ).save(tmp_path / "set")
    pixels, config = Preprocessing(32, 32), CnnConfig(classes=2, input_size=32, widths=(4, 8), convolutions=1)
    torch.manual_seed(0)
    start = tmp_path / "start.safetensors"
    save_weights(
        Recognizer(Cnn(config), None, pixels).eval(),
        ModelRecord("start", LabelSpace("drawn", names), pixels, {}, frames=1),
        start,
    )
    run = ["--data", str(tmp_path / "set"), "--start", str(start), "--out", str(tmp_path / "run"), "--fit.epochs", "2"]
    assert main(["train", "heads", *run, "--recipe.heads", "words=text"]) == 0
    made = tmp_path / "run" / "heads.safetensors"
    record = read_record(made)
    assert record.texts["words"].measured == names
    assert record.heads == {"words": "text"}
    assert any(key.startswith("drawn_valid_words") for key in record.scores)
    np.testing.assert_allclose(read_tensors(made)["heads.words.vectors"], from_units(names).vectors, atol=1e-3)
    new = tmp_path / "new.safetensors"
    assert main(["relabel", str(made), "--labels", "happiness", "contempt", "-o", str(new)]) == 0
    assert "Not measured: contempt" in capsys.readouterr().out
    assert main(["models", str(new)]) == 0
    assert "not measured: contempt" in " ".join(capsys.readouterr().out.split())
    assert main(["relabel", str(made), "--labels", "happiness", "--texts", "x.json", "-o", str(new)]) == 1
    assert main(["relabel", str(made), "--labels", "happiness", "-o", "x.json"]) == 1
    file = tmp_path / "words.json"
    file.write_text(json.dumps({"amusement": {"units": [6, 12, 25, 26]}, "sadness": {"units": [4, 15]}}))
    assert main(["relabel", str(made), "--texts", str(file), "-o", str(new), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["measured"], told["not_measured"]) == (["sadness"], ["amusement"])
    old, now = load_model(made), load_model(new)
    np.testing.assert_array_equal(old.probabilities(images[:2, None]), now.probabilities(images[:2, None]))
