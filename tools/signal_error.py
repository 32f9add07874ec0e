"""What the signals of weights are worth: action units, pose, gaze, closed eyes, several weights side by side.

    python tools/signal_error.py WEIGHTS... --data ferplus_48.npz --points points.npz --people FOLDER...
    python tools/signal_error.py WEIGHTS... --pictures london
    python tools/signal_error.py WEIGHTS... --crops crops.npz --crop-points crop_points.npz

--data: the held-out faces, against the teacher (points of tools/face_points.py), which is no truth: the figure says how
well the heads copy it. --people: sets of `mien prepare people --test 1`, whose truth is exact; those after the first
add their poses only. --pictures: a folder of people who are neutral and smile (docs/world.md), through detector and
all. --crops: faces of clips (`landmark_error.py --crops`), against the teacher's. No FACS coder is behind any of it.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

import mien
from mien.core.errors import InputError
from mien.core.facial import ACTION_UNITS, EYES_CLOSED, FACIAL, GAZE, POSE, SIDES, UNITS
from mien.data.ferplus import read_faces
from mien.data.pictures import Picture, labelled_pictures
from mien.models.network import said
from mien.models.zoo import LoadedModel, load_model
from mien.training.facial import WHERE, FacialFaces, exact_faces, taught_faces, unit_values

TURNS = ((0, 15), (15, 30), (30, 45), (45, 60))
"""Bounds of how far a head is turned sideways, in degrees."""
SHOWN, HIDDEN = 0.3, 0.05
"""Strengths from which a unit counts as shown, and below which it does not."""
SHUT, OPEN = 0.7, 0.3
ALARM = 0.5
WRONG_WHEN_NEUTRAL = ("AU4", "AU6", "AU9", "AU10", "AU12", "AU15", "AU20", "AU24")
MOVES = 0.1
"""Least range of a teacher's number in a clip that is worth ranking."""
AGES = (30, 45)
DRAWS, AT_ONCE = 1000, 64

Table = tuple[list[str], list[list[str]]]
"""Its head and its rows."""


def answers(model: LoadedModel, clips: np.ndarray) -> np.ndarray:
    """The signals' columns (n, k) of faces (n, 1 or 3, s, s), NaN where the weights say nothing of one."""
    images = np.broadcast_to(clips, (len(clips), 3, *clips.shape[2:]))
    parts = [said(model, images[at : at + AT_ONCE, None]) for at in range(0, len(images), AT_ONCE)]
    return np.concatenate(parts)[:, len(model.record.labels) :]


def columns_of(unit: str) -> list[int]:
    """Where a unit stands among the columns of action units: one place, or left and right."""
    return [place for place, label in enumerate(ACTION_UNITS.labels) if re.match(rf"{unit}(?!\d)", label)]


def correlation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Pearson's; NaN where one of them is constant."""
    if len(ours) < 3 or not np.ptp(ours) or not np.ptp(theirs):
        return float("nan")
    return float(np.corrcoef(ours, theirs)[0, 1])


def rank_correlation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Spearman's, the mean over the columns of (n, k)."""
    pairs = zip(ours.T, theirs.T, strict=True)
    return float(np.mean([correlation(rankdata(one), rankdata(other)) for one, other in pairs]))


def rank_interval(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % of the rank correlation, by drawing rows anew; ranks stay those among all rows."""
    counts = np.random.default_rng(seed).multinomial(len(ours), np.full(len(ours), 1 / len(ours)), DRAWS) / len(ours)
    found = []
    for one, other in zip(ours.T, theirs.T, strict=True):
        x, y = (rankdata(part) / len(part) - 0.5 for part in (one, other))
        x_mean, y_mean = counts @ x, counts @ y
        spread = (counts @ x**2 - x_mean**2) * (counts @ y**2 - y_mean**2)
        found.append((counts @ (x * y) - x_mean * y_mean) / np.sqrt(spread))
    low, high = np.quantile(np.mean(found, axis=0), [0.025, 0.975])
    return float(low), float(high)


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """How often a number of ``high`` is above one of ``low``, a tie counting as half."""
    if not len(high) or not len(low):
        return float("nan")
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def auc_interval(high: np.ndarray, low: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 %, by drawing both anew."""
    rng = np.random.default_rng(seed)
    drawn = [auc(rng.choice(high, len(high)), rng.choice(low, len(low))) for _ in range(DRAWS)]
    bounds = np.quantile(drawn, [0.025, 0.975])
    return float(bounds[0]), float(bounds[1])


def within(value: float, bounds: tuple[float, float]) -> str:
    return f"{value:.2f} ({bounds[0]:.2f} to {bounds[1]:.2f})"


def plain(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def markdown(title: str, table: Table) -> str:
    head, rows = table
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join([f"\n{title}\n", *lines])


def sided(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Correlation of left minus right; NaN where a unit has one column."""
    return correlation(-np.diff(ours)[:, 0], -np.diff(theirs)[:, 0]) if ours.shape[1] == 2 else float("nan")


def against_teacher(names: list[str], ours: list[np.ndarray], values: np.ndarray) -> Table:
    """Rank correlation of every unit and of closed eyes with the teacher's, and correlation of left minus right."""
    rows = []
    for unit in (*UNITS, EYES_CLOSED.name):
        wanted = part_of(values, unit)
        if np.isfinite(wanted).all():
            cells = [unit, UNITS.get(unit, "")]
            for mine in parts_of(ours, unit):
                cells += [
                    within(rank_correlation(mine, wanted), rank_interval(mine, wanted)),
                    plain(sided(mine, wanted)),
                ]
            rows.append(cells)
    kinds = ("rank correlation", "left - right, r")
    return ["signal", "", *(f"{name}: {kind}" for name in names for kind in kinds)], rows


def against_truth(names: list[str], ours: list[np.ndarray], values: np.ndarray) -> Table:
    """Rank correlation, correlation and AUC of every unit; of two-sided ones also correlation of left minus right."""
    rows = []
    for unit in UNITS:
        wanted = part_of(values, unit)
        cells = [str(int((wanted.max(1) >= SHOWN).sum()))]
        for mine in parts_of(ours, unit):
            linear = np.mean([correlation(*pair) for pair in zip(mine.T, wanted.T, strict=True)])
            apart = auc(mine[wanted >= SHOWN], mine[wanted < HIDDEN])
            cells += [within(rank_correlation(mine, wanted), rank_interval(mine, wanted))]
            cells += [plain(float(linear)), plain(apart), plain(sided(mine, wanted))]
        rows.append([unit, *cells])
    kinds = ("rank correlation", "r", "AUC", "left - right, r")
    return ["unit", f"shown (>= {SHOWN})", *(f"{name}: {kind}" for name in names for kind in kinds)], rows


def part_of(values: np.ndarray, name: str) -> np.ndarray:
    """The columns (n, k) of a unit or of a signal."""
    return values[:, WHERE[ACTION_UNITS.name]][:, columns_of(name)] if name in UNITS else values[:, WHERE[name]]


def parts_of(ours: Sequence[np.ndarray], name: str) -> Iterator[np.ndarray]:
    return (part_of(values, name) for values in ours)


def turned(faces: str, ours: list[np.ndarray], values: np.ndarray) -> Iterator[list[str]]:
    """Rows of mean absolute errors of yaw, pitch and roll, by how far the head is turned."""
    wanted = part_of(values, POSE.name)
    aside = np.abs(wanted[:, 0])
    for low, high in TURNS:
        there = (aside >= low) & (aside < high)
        if there.any():
            errors = [np.abs(mine - wanted)[there].mean(0) for mine in parts_of(ours, POSE.name)]
            cells = [", ".join(f"{angle:.1f}" for angle in error) for error in errors]
            yield [faces, f"{low} to {high}", str(there.sum()), *cells]


def looking(faces: str, ours: list[np.ndarray], values: np.ndarray) -> list[str]:
    """A row of mean absolute errors of the gaze, and what the answer 0 would have."""
    wanted = part_of(values, GAZE.name)
    zero, *errors = (np.abs(mine - wanted).mean(0) for mine in (np.zeros_like(wanted), *parts_of(ours, GAZE.name)))
    ranks = [rank_correlation(mine[:, [k]], wanted[:, [k]]) for mine in parts_of(ours, GAZE.name) for k in range(2)]
    cells = [", ".join(f"{angle:.1f}" for angle in error) for error in (zero, *errors)]
    for place, name in enumerate(cells[1:]):
        cells[1 + place] = f"{name} (rank correlation {ranks[2 * place]:.2f}, {ranks[2 * place + 1]:.2f})"
    return [faces, str(len(wanted)), *cells]


def blinking(faces: str, ours: list[np.ndarray], values: np.ndarray) -> list[str]:
    """A row of AUCs of shut against open eyes."""
    wanted = part_of(values, EYES_CLOSED.name)
    shut, open_ = wanted > SHUT, wanted < OPEN
    pairs = [(mine[shut], mine[open_]) for mine in parts_of(ours, EYES_CLOSED.name)]
    return [faces, f"{shut.sum()}, {open_.sum()}", *(within(auc(*pair), auc_interval(*pair)) for pair in pairs)]


def faces_and_people(models: list[LoadedModel], given: argparse.Namespace) -> None:
    """Tables of held-out and of rendered faces."""
    names = [model.record.name for model in models]
    sets: list[tuple[str, FacialFaces]] = []
    if given.data:
        sets.append(("FERPlus, teacher", taught_faces(given.data, given.points, "valid")))
        print(f"{len(sets[0][1])} of {len(read_faces(given.data, 'valid'))} held-out faces have a teacher's numbers")
    sets += [(f"rendered ({folder.name})", exact_faces([folder], "test")) for folder in given.people]
    poses, gazes, blinks = [], [], []
    for name, faces in sets:
        values, real = faces.values.double().numpy(), name.startswith("FERPlus")
        ours = [answers(model, faces.images.numpy()) for model in models]
        first = real or name == f"rendered ({given.people[0].name})"
        if first:
            table = (against_teacher if real else against_truth)(names, ours, values)
            print(markdown(f"{name}, {len(faces)} faces", table), flush=True)
        poses += turned(name, ours, values)
        gazes += [looking(name, ours, values)] * first
        blinks += [blinking(name, ours, values)] * (first and not real)
    print(markdown("Yaw, pitch, roll: mean absolute error", (["faces", "yaw, degrees", "n", *names], poses)))
    print(markdown("Gaze, across and up: mean absolute error", (["faces", "n", "always 0", *names], gazes)))
    if blinks:
        print(markdown("Closed eyes: AUC", (["faces", "eyes shut, open", *names], blinks)))


def largest(model: mien.ExpressionModel, picture: Path) -> np.ndarray:
    """Action units of the largest face of a picture; NaN where there is none, or none that can be read."""
    try:
        table = model.analyze(picture).frames
    except InputError:
        return np.full(len(ACTION_UNITS.labels), np.nan)
    if not len(table):
        return np.full(len(ACTION_UNITS.labels), np.nan)
    boxes = table.column("box")
    place = int(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).argmax())
    return table.signal(ACTION_UNITS.name)[place].astype(np.float64)


def groups_of(picture: Picture) -> Iterator[str]:
    """Everybody, and what is known of who is in it; ages in steps."""
    yield "all"
    for kind, value in picture.groups.items():
        name = kind.removeprefix("face_")
        if value.isdigit():
            edges = (0, *AGES, 200)
            step = int(np.digitize(int(value), AGES))
            value = f"{edges[step]} to {edges[step + 1] - 1}" if step < len(AGES) else f"{AGES[-1]} and more"
        if name != "id":
            yield f"{name} {value or 'unknown'}"


def false_alarms(pictures: Sequence[Picture], units: np.ndarray) -> list[list[str]]:
    """By group: how many neutral faces show each unit of WRONG_WHEN_NEUTRAL on some side, and any of them."""
    raised = np.stack([(units[:, columns_of(unit)] >= ALARM).any(1) for unit in WRONG_WHEN_NEUTRAL], 1)
    members: dict[str, list[int]] = {}
    for place, picture in enumerate(pictures):
        for name in groups_of(picture):
            members.setdefault(name, []).append(place)
    rows = []
    for name, places in sorted(members.items(), key=lambda item: (item[0] != "all", item[0])):
        some = raised[places]
        every = int(some.any(1).sum())
        rows.append([name, str(len(places)), *map(str, some.sum(0)), f"{every} ({every / len(places):.0%})"])
    return rows


def smiles(names: Sequence[str], folder: Path) -> None:
    """Tables of a folder of neutral and smiling people."""
    every = labelled_pictures(folder)
    rows, tables = [], []
    for name in names:
        model = mien.load(name, "torch")
        title = model.record.name
        found = {label: [one for one in every if one.label == label] for label in ("neutral", "happiness")}
        units = {label: np.stack([largest(model, one.path) for one in some]) for label, some in found.items()}
        seen = {label: np.isfinite(some).all(1) for label, some in units.items()}
        for unit in ("AU12", "AU6"):
            shown, hidden = (units[at][seen[at]][:, columns_of(unit)].mean(1) for at in ("happiness", "neutral"))
            shares = [f"{(some >= ALARM).sum()} of {len(some)}" for some in (shown, hidden)]
            rows.append([title, unit, within(auc(shown, hidden), auc_interval(shown, hidden)), *shares])
        neutral = [one for one, there in zip(found["neutral"], seen["neutral"], strict=True) if there]
        alarms = false_alarms(neutral, units["neutral"][seen["neutral"]])
        head = ["neutral faces", "n", *WRONG_WHEN_NEUTRAL, "any"]
        tables.append(markdown(f"{title}: strength >= {ALARM} on neutral faces", (head, alarms)))
    head = ["", "unit", "AUC, smiling against neutral", f"smiling >= {ALARM}", f"neutral >= {ALARM}"]
    print(markdown(folder.name, (head, rows)), *tables, sep="\n")


def clips(models: list[LoadedModel], crops: Path, points: Path) -> None:
    """Rank correlation of every unit with the teacher's over the faces of each clip in which the unit moves."""
    archive, looked = np.load(crops), np.load(points)
    columns: dict[str, dict[str, list[float]]] = {}
    words = [str(word) for word in looked["coefficient_names"]]
    for name in (name.removesuffix("_images") for name in archive.files):
        given = looked[f"{name}_coefficients"].astype(np.float64)
        there = np.isfinite(given).all(1)
        values = unit_values(given[there], words, looked[f"{name}_points"][there].astype(np.float64), taught=True)
        blinks = [given[there, words.index(f"eyeBlink{side.capitalize()}")] for side in SIDES]
        whole = np.full((len(values), sum(len(signal.labels) for signal in FACIAL)), np.nan)
        whole[:, WHERE[ACTION_UNITS.name]], whole[:, WHERE[EYES_CLOSED.name]] = values, np.stack(blinks, 1)
        ours = [answers(model, archive[f"{name}_images"][there].transpose(0, 3, 1, 2)) for model in models]
        found = columns.setdefault(f"{name} ({there.sum()})", {})
        for unit in (*UNITS, EYES_CLOSED.name):
            wanted = part_of(whole, unit)
            if np.isfinite(wanted).all() and np.ptp(wanted, axis=0).min() >= MOVES:
                found[unit] = [rank_correlation(mine, wanted) for mine in parts_of(ours, unit)]
    rows = [
        [unit, *(", ".join(plain(value) for value in found.get(unit, ())) for found in columns.values())]
        for unit in (*UNITS, EYES_CLOSED.name)
    ]
    title = f"Rank correlation with the teacher over frames: {', '.join(model.record.name for model in models)}"
    print(markdown(title, (["signal", *columns], [row for row in rows if any(row[1:])])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", nargs="+", help="names from `mien models`, or weights files")
    parser.add_argument("--data", type=Path, help="the FERPlus archive")
    parser.add_argument("--points", type=Path, help="the teacher's numbers of its faces")
    parser.add_argument("--people", type=Path, nargs="+", default=[])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--crop-points", type=Path)
    given = parser.parse_args()
    models = [load_model(name) for name in given.weights]
    for model in models:
        names = [signal.name for signal in model.record.signals]
        if names != [signal.name for signal in FACIAL]:
            raise SystemExit(f"{model.record.name} says {', '.join(names) or 'nothing'} beside the expression")
    if given.data or given.people:
        faces_and_people(models, given)
    if given.pictures:
        smiles(given.weights, given.pictures)
    if given.crops:
        clips(models, given.crops, given.crop_points)


if __name__ == "__main__":
    main()
