"""Records of weights: what one may say, and that a wrong one is refused in words before anything is computed."""

import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.models.find import find_weights
from mien.models.record import ModelRecord, Preprocessing, parse_record, read_record
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, load_weights, read_tensors, save_weights
from mien.models.zoo import load_model
from shape_checks import unchecked

LABELS = LabelSpace("three", ("neutral", "happiness", "sadness"))
PLAN = Preprocessing(24, 32)
CROPS = np.full((1, 2, 3, 24, 24), 90, np.uint8)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    s2d = S2D(S2DConfig(32, 16, 32, 1, 2, classes=3, prompts=False))
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    save_weights(Recognizer(s2d, None, PLAN).eval(), ModelRecord("toy", LABELS, PLAN, {}, frames=4), path)
    return path


def header_of(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(path: Path, header: object, body: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def changed(sound: Path, path: Path, change: Callable[[dict], object]) -> Path:
    """The sound file with another record."""
    header, body = header_of(sound)
    record = json.loads(header["__metadata__"]["mien"])
    change(record)
    header["__metadata__"]["mien"] = json.dumps(record)
    return with_header(path, header, body)


WRONG: dict[str, Callable[[dict], object]] = {
    "temperature 0": lambda r: r.update(temperature=0),
    "temperature NaN": lambda r: r.update(temperature=float("nan")),
    "temperature infinite": lambda r: r.update(temperature=float("inf")),
    "temperature negative": lambda r: r.update(temperature=-1.0),
    "temperature a text": lambda r: r.update(temperature="1"),
    "threshold above 1": lambda r: r.update(threshold=1.5),
    "threshold true": lambda r: r.update(threshold=True),
    "std 0": lambda r: r["preprocessing"].update(std=[0.2, 0.0, 0.2]),
    "std negative": lambda r: r["preprocessing"].update(std=[0.2, -0.2, 0.2]),
    "mean infinite": lambda r: r["preprocessing"].update(mean=[0.5, float("inf"), 0.5]),
    "two means": lambda r: r["preprocessing"].update(mean=[0.5, 0.5]),
    "huge crops": lambda r: r["preprocessing"].update(crop_size=16384),
    "no crops": lambda r: r["preprocessing"].update(crop_size=0),
    "an input off the patches": lambda r: r["preprocessing"].update(input_size=40),
    "an input of too many patches": lambda r: r["preprocessing"].update(input_size=2048),
    "another colour": lambda r: r["preprocessing"].update(colour=["grey"]),
    "no frames": lambda r: r.update(frames=0),
    "huge frames": lambda r: r.update(frames=10**9),
    "a label missing": lambda r: r["labels"]["labels"].pop(),
    "a label too many": lambda r: r["labels"]["labels"].append("fear"),
    "a label twice": lambda r: r["labels"]["labels"].__setitem__(1, "neutral"),
    "a formula": lambda r: r["labels"]["labels"].__setitem__(1, "=cmd()"),
    "a control code": lambda r: r["labels"]["labels"].__setitem__(1, "\x1b[2J"),
    "half a character": lambda r: r["labels"]["labels"].__setitem__(1, "\ud800"),
    "an empty label": lambda r: r["labels"]["labels"].__setitem__(1, ""),
    "a number as label": lambda r: r["labels"]["labels"].__setitem__(1, 7),
    "a word as labels": lambda r: r["labels"].update(labels="abc"),
    "a list as labels": lambda r: r.update(labels=[1]),
    "a path as name": lambda r: r.update(name="../escaped"),
    "a folder as name": lambda r: r.update(name="/tmp/x"),
    "a Windows path as name": lambda r: r.update(name="..\\x"),
    "no name": lambda r: r.update(name=""),
    "a long name": lambda r: r.update(name="n" * 300),
    "a hidden name": lambda r: r.update(name=".x"),
    "a control code in a text": lambda r: r.update(licence="free\x1b]0;gone\x07"),
    "scores in a list": lambda r: r.update(scores=[1]),
    "a score of nothing": lambda r: r.update(scores={"war": float("nan")}),
    "a text as parameters": lambda r: r.update(parameters="many"),
    "another protocol": lambda r: r.update(protocol="secret"),
    "no config": lambda r: r.update(config=None),
    "a list as config": lambda r: r.update(config=[1]),
    "a text as config": lambda r: r.update(config="s2d"),
    "a number as network": lambda r: r.update(network=5),
    "a list as network": lambda r: r.update(network=["s2d"]),
    "a path as network": lambda r: r.update(network="../s2d"),
    "a number as widths": lambda r: r.update(network="cnn", config={"classes": 7, "input_size": 28, "widths": 5}),
    "no widths": lambda r: r.update(network="cnn", config={"classes": 7, "input_size": 28, "widths": None}),
    "widths beyond any": lambda r: r.update(network="cnn", config={"classes": 7, "input_size": 28, "widths": [10**9]}),
    "a deep network": lambda r: r["config"].update(depth=10**6),
    "half a head": lambda r: r["config"].update(heads=0.5),
    "dropout of all": lambda r: r["config"].update(dropout=1),
    "a stranger": lambda r: r.update(pickle="x"),
    "a stranger in config": lambda r: r["config"].update(pickle="x"),
    "another format": lambda r: r.update(format=2),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_record_is_refused_by_every_reader(sound: Path, tmp_path: Path, change: Callable) -> None:
    path = changed(sound, tmp_path / "toy.safetensors", change)
    for read in (read_record, load_weights):
        with pytest.raises(WeightsError, match=r"toy\.safetensors") as caught:
            read(path)
        assert all((caught.value.expected, caught.value.got, caught.value.fix))
    text = header_of(path)[0]["__metadata__"]["mien"]
    with pytest.raises(WeightsError):
        parse_record(text, "elsewhere.onnx", "")


@pytest.mark.parametrize("name", ["no config", "a list as config", "a text as config"])
def test_a_config_of_another_kind_is_said(sound: Path, tmp_path: Path, name: str) -> None:
    """Not left to the checks of types, which only tests have: without them it was a crash."""
    with pytest.raises(WeightsError, match="a config without fields"):
        read_record(changed(sound, tmp_path / "toy.safetensors", WRONG[name]))


def test_what_is_sound_stays_so(sound: Path, tmp_path: Path) -> None:
    def change(record: dict) -> None:
        record.update(name="Modèle d'été 2", temperature=3, licence="frei\nfür alle", scores={"uar": 1})
        record["labels"]["labels"] = ["très heureux", "2nd", "笑"]

    record = load_model(changed(sound, tmp_path / "x.safetensors", change)).record
    assert (record.name, record.labels.labels[2]) == ("Modèle d'été 2", "笑")


HEADERS: dict[str, bytes] = {
    "a list": b"[1, 2]",
    "a number": b"7",
    "brackets": b"[" * 300_000,
    "objects in objects": b'{"a":' * 100_000,
    "a tensor that is a list": b'{"a": [1]}',
    "a tensor without a place": b'{"a": {"data_offsets": []}}',
    "a place of words": b'{"a": {"data_offsets": ["x", "y"]}}',
    "texts in a list": b'{"__metadata__": [1], "a": {"data_offsets": [0, 0]}}',
    "a record that is a number": b'{"__metadata__": {"mien": 5}, "a": {"data_offsets": [0, 0]}}',
    "a record of brackets": b'{"__metadata__": {"mien": "%s"}, "a": {"data_offsets": [0, 0]}}' % (b"[" * 200_000),
    "a record that is a list": b'{"__metadata__": {"mien": "[]"}, "a": {"data_offsets": [0, 0]}}',
    "nothing": b"{}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_of_another_shape_is_refused(tmp_path: Path, header: bytes) -> None:
    path = with_header(tmp_path / "x.safetensors", header, b"")
    with pytest.raises(WeightsError, match="expected"):
        read_record(path)
    with pytest.raises(WeightsError, match="expected"):
        load_model(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_weights_that_are_no_numbers_are_refused(sound: Path, tmp_path: Path, value: float, dtype) -> None:
    recognizer, record = load_weights(sound)
    recognizer.s2d.head.weight[2, 5] = value
    path = tmp_path / "nan.safetensors"
    save_weights(recognizer, record, path, dtype)
    with pytest.raises(WeightsError, match=r"NaN or infinity in 1 tensors, e\.g\. s2d\.head\.weight"):
        load_model(path)


def test_large_numbers_are_no_infinity(sound: Path, tmp_path: Path) -> None:
    recognizer, record = load_weights(sound)
    recognizer.s2d.head.weight.fill_(3e38)
    save_weights(recognizer, record, tmp_path / "big.safetensors")
    assert not read_tensors(tmp_path / "big.safetensors")["s2d.head.weight"].sum().isfinite()
    model = load_model(tmp_path / "big.safetensors")
    with pytest.raises(WeightsError, match="that compute numbers"):
        model.probabilities(CROPS)


def test_whole_numbers_are_no_weights(sound: Path, tmp_path: Path) -> None:
    header, body = header_of(sound)
    header["s2d.head.weight"]["dtype"] = "I32"
    with pytest.raises(WeightsError, match="fit the record"):
        load_model(with_header(tmp_path / "x.safetensors", header, body))


def test_records_are_checked_when_they_are_made_too() -> None:
    record = ModelRecord("toy", LABELS, PLAN, {})
    for wrong in ({"name": "a/b"}, {"temperature": 0.0}, {"threshold": -0.1}, {"sha256": "../x"}, {"frames": True}):
        with pytest.raises(ConfigError):
            dataclasses.replace(record, **wrong)
    with pytest.raises(ConfigError):
        Preprocessing(2048, 224, std=(0, 1, 1))
    with pytest.raises(ConfigError, match="bytes"):
        ModelRecord("toy", LABELS, Preprocessing(2048, 224), {}, frames=64)


@pytest.mark.parametrize(
    "address", ["a/../../b@main", "../b@main", "a/b@../../../x", "a/b@x//y", "a@main", "a/b/c@main", "a/b@.hidden"]
)
def test_a_hub_address_cannot_leave_the_cache(address: str) -> None:
    with pytest.raises(ConfigError, match="owner/repository@revision"):
        find_weights(f"hf://{address}")


def test_a_name_that_no_file_can_have_is_not_there(tmp_path: Path) -> None:
    for name in ("n" * 300 + ".safetensors", str(tmp_path / ("n" * 300)), "a\0b.safetensors"):
        with pytest.raises(WeightsError, match="no file at"):
            load_model(name)


UNITS = Signal("action_units", ("AU1", "AU12"), "flags")


def test_what_is_said_beside_stands_in_the_header_only_where_there_is_some() -> None:
    config = dataclasses.asdict(S2DConfig(32, 16, 32, 1, 2, classes=3, prompts=False))
    record = ModelRecord("toy", LABELS, PLAN, config, frames=4)
    assert "signals" not in json.loads(record.to_json())
    more = dataclasses.replace(record, signals=(UNITS,))
    assert parse_record(more.to_json(), "", "") == more
    assert parse_record(record.to_json(), "", "") == record


@pytest.mark.parametrize("heads", [{"action_units": "quadratic"}, {"pose": "linear"}, {"action_units": 1}, ["linear"]])
def test_a_head_that_there_is_not_is_refused_in_words(heads: object) -> None:
    config = dataclasses.asdict(S2DConfig(32, 16, 32, 1, 2, classes=3, prompts=False))
    record = ModelRecord("toy", LABELS, PLAN, config, signals=(UNITS,), heads={"action_units": "linear"})
    assert parse_record(record.to_json(), "", "") == record
    with pytest.raises(WeightsError), unchecked():
        parse_record(json.dumps({**json.loads(record.to_json()), "heads": heads}), "", "")


@pytest.mark.parametrize(
    "told",
    [
        [{**UNITS.to_dict(), "derived_from": "expression"}],
        [UNITS.to_dict()] * 2,
        {"action_units": 1},
        [{**UNITS.to_dict(), "kind": "angle"}],
        [{**UNITS.to_dict(), "labels": 5}],
        [{"name": "x"}],
    ],
)
def test_wrong_signals_are_refused_in_words(told: object) -> None:
    record = ModelRecord("toy", LABELS, PLAN, dataclasses.asdict(S2DConfig(32, 16, 32, 1, 2, classes=3, prompts=False)))
    body = {**json.loads(record.to_json()), "signals": told}
    with pytest.raises(WeightsError):
        parse_record(json.dumps(body), "", "")
