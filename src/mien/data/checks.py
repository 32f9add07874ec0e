"""Is a copy of a data set what its paper says, whole, and fit to be trained and tested on?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mien.data.datasets import DataSet
from mien.data.hashes import near_pairs
from mien.data.inspect_items import Inspected, Place, inspect_items, place_of
from mien.data.manifest import SPLITS, Manifest, Row

KINDS = {
    "missing": (True, "is listed but not there"),
    "empty": (True, "is a folder without pictures"),
    "unreadable": (True, "cannot be decoded"),
    "damaged": (False, "can be decoded in part"),
    "leak": (True, "is in two splits of a fold, pixel for pixel"),
    "near leak": (True, "is in two splits of a fold, nearly the same"),
    "subject leak": (True, "is a person in two splits of a fold"),
    "tested twice": (False, "is in the test splits of several folds"),
    "contradiction": (False, "is the same picture with another label"),
    "repeated id": (True, "is named twice in a fold"),
    "unlabelled": (False, "has no label"),
}
"""What can be wrong: whether that is serious, and how it is said of an item."""
MOST_EXAMPLES = 5
_PLACES: dict[str, int] = {split: place for place, split in enumerate(SPLITS)}


@dataclass(frozen=True)
class Count:
    """Items of one fold and split, of one label or of all.

    Attributes:
        fold: its number; 0 for a set without folds.
        split: train, valid or test.
        label: empty for all labels together.
        found: rows in this copy.
        published: as the paper counts; None where it does not say.
    """

    fold: int
    split: str
    label: str
    found: int
    published: int | None

    @property
    def difference(self) -> int | None:
        """Found less published; None where nothing is published."""
        return None if self.published is None else self.found - self.published


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: key of :data:`KINDS`.
        items: ids of the items (for ``subject leak``, the person) it concerns.
        detail: where, or what was met.
    """

    kind: str
    items: tuple[str, ...]
    detail: str

    @property
    def serious(self) -> bool:
        """Whether results would be wrong or less than they look."""
        return KINDS[self.kind][0]


@dataclass(frozen=True, eq=False)
class CheckUp:
    """What the checks found.

    Attributes:
        dataset: its name.
        items: distinct pictures or clips.
        rows: in all folds.
        counts: of every fold and split, published or found; then likewise by label.
        problems: in the order of :data:`KINDS`, then of the manifest.
        notes: the reader's, on the release.
        looks: of every item.
    """

    dataset: str
    items: int
    rows: int
    counts: tuple[Count, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    looks: Mapping[Place, Inspected] = field(repr=False)

    @property
    def serious(self) -> bool:
        """Whether any problem is."""
        return any(problem.serious for problem in self.problems)

    def of(self, kind: str) -> list[Problem]:
        """The problems of one kind."""
        return [problem for problem in self.problems if problem.kind == kind]

    def usable(self, row: Row) -> bool:
        """Whether the row's item is there and can be decoded."""
        return self.looks[place_of(row)].state == "well"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; every problem, however many."""
        return {
            "dataset": self.dataset,
            "items": self.items,
            "rows": self.rows,
            "serious": self.serious,
            "counts": [{**asdict(count), "difference": count.difference} for count in self.counts],
            "problems": {
                kind: [{"items": list(problem.items), "detail": problem.detail} for problem in self.of(kind)]
                for kind in KINDS
                if self.of(kind)
            },
            "notes": list(self.notes),
        }

    def to_markdown(self) -> str:
        """Tables for people, with at most MOST_EXAMPLES examples of each problem."""
        lines = [f"# Checks of {self.dataset}", "", f"{self.items} items, {self.rows} rows.", ""]
        for title, columns, rows in self.tables():
            lines += [f"## {title}", "", _line(columns), _line(["---"] * len(columns)), *map(_line, rows), ""]
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)]).rstrip() + "\n"

    def tables(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Title, columns and rows of: items against the paper, labels against the paper, problems."""
        yield "Items", ["fold", "split", "found", "published", "difference"], [_cells(one) for one in self._totals()]
        if len({count.label for count in self.counts}) > 1:
            yield self._by_label()
        rows = [
            [kind, "yes" if KINDS[kind][0] else "no", str(len(self.of(kind))), KINDS[kind][1], _examples(self.of(kind))]
            for kind in KINDS
            if self.of(kind)
        ]
        if rows:
            yield "Problems", ["problem", "serious", "number", "an item that", "for example"], rows

    def _totals(self) -> list[Count]:
        return [count for count in self.counts if not count.label]

    def _by_label(self) -> tuple[str, list[str], list[list[str]]]:
        by_label: dict[str, dict[tuple[int, str], Count]] = defaultdict(dict)
        for count in self.counts:
            if count.label:
                by_label[count.label][count.fold, count.split] = count
        parts = [(count.fold, count.split) for count in self._totals()]
        columns = ["label", *(f"{split} {fold}" if fold else split for fold, split in parts)]
        rows = [[label, *(_short(found.get(part)) for part in parts)] for label, found in by_label.items()]
        compared = any(count.label and count.published is not None for count in self.counts)
        return "Labels, less published in brackets" if compared else "Labels", columns, rows


def check(
    manifest: Manifest,
    dataset: DataSet,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> CheckUp:
    """Inspected at every item of a copy.

    Counts are held against the paper's; files are looked for and decoded (pictures whole; of clips the first, middle
    and last frame, and of videos every frame is decoded to be counted); the same pictures, persons or ids are looked
    for where they must not meet. Of clips, those frames have to look alike all three.

    Args:
        manifest: as the data set's ``read`` gave it.
        dataset: for the published numbers.
        workers: processes; the findings do not depend on it.
        progress: called with the items looked at and the items in all.

    Raises:
        ConfigError: fewer than one worker.
    """
    looks = inspect_items(manifest, workers, progress)
    problems = [
        *_from_looks(manifest, looks),
        *_same_pictures(manifest, looks),
        *_near_leaks(manifest, looks),
        *_subjects(manifest),
        *_ids(manifest),
    ]
    order = {kind: place for place, kind in enumerate(KINDS)}
    problems.sort(key=lambda problem: order[problem.kind])
    counts = tuple(_counts(manifest, dataset))
    return CheckUp(dataset.name, len(looks), len(manifest), counts, tuple(problems), manifest.notes, looks)


def _counts(manifest: Manifest, dataset: DataSet) -> Iterator[Count]:
    rows: Counter[tuple[int, str]] = Counter((row.fold, row.split) for row in manifest.rows)
    labels: Counter[tuple[int, str, str]] = Counter((row.fold, row.split, row.label) for row in manifest.rows)
    published = {(fold, split): n for fold, splits in dataset.published.items() for split, n in splits.items()}
    parts = sorted({*rows, *published}, key=lambda part: (part[0], _PLACES[part[1]]))
    for fold, split in parts:
        yield Count(fold, split, "", rows[fold, split], published.get((fold, split)))
    for label in manifest.labels.labels:
        for fold, split in parts:
            of_class = dataset.published_classes.get((fold, split), {}).get(label)
            yield Count(fold, split, label, labels[fold, split, label], of_class)


def _from_looks(manifest: Manifest, looks: Mapping[Place, Inspected]) -> Iterator[Problem]:
    """What the looks say, an item once. A set without a single label has none on purpose."""
    seen: set[Place] = set()
    labelled = any(row.label for row in manifest.rows)
    for row in manifest.rows:
        place = place_of(row)
        if place in seen:
            continue
        seen.add(place)
        look = looks[place]
        if look.state != "well":
            yield Problem(look.state, (row.id,), look.problem)
        elif look.problem:
            yield Problem("damaged", (row.id,), look.problem)
        if labelled and not row.label:
            yield Problem("unlabelled", (row.id,), row.path)


def _same_pictures(manifest: Manifest, looks: Mapping[Place, Inspected]) -> Iterator[Problem]:
    """Items with the same pixels, or listed more than once, that lie in two splits or under two labels."""
    groups: dict[bytes | Place, list[Row]] = defaultdict(list)
    for row in manifest.rows:
        look = looks[place_of(row)]
        # What cannot be read is the same as itself.
        groups[look.digest or place_of(row)].append(row)
    for rows in groups.values():
        if len(rows) == 1:
            continue
        names = tuple(dict.fromkeys(row.id for row in rows))
        where = _split_folds(rows)
        if where:
            yield Problem("leak", names, where)
        tested = sorted({row.fold for row in rows if row.split == "test"})
        if len(tested) > 1 and not where:
            yield Problem("tested twice", names, f"folds {', '.join(map(str, tested))}")
        labels = sorted({row.label for row in rows if row.label})
        if len(labels) > 1:
            yield Problem("contradiction", names, " or ".join(labels))


def _split_folds(rows: Sequence[Row]) -> str:
    """In which folds the rows lie in more than one split; empty for none."""
    splits: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.fold].add(row.split)
    found = [(fold, [name for name in SPLITS if name in of]) for fold, of in sorted(splits.items()) if len(of) > 1]
    return "; ".join(f"fold {fold}: {' and '.join(names)}" if fold else " and ".join(names) for fold, names in found)


def _near_leaks(manifest: Manifest, looks: Mapping[Place, Inspected]) -> Iterator[Problem]:
    """Pairs that look the same, are not the same pixel for pixel, and lie in two splits of a fold."""
    rows_of: dict[bytes, list[Row]] = defaultdict(list)
    look_of: dict[bytes, Inspected] = {}
    for row in manifest.rows:
        look = looks[place_of(row)]
        if look.hashes is not None:
            rows_of[look.digest].append(row)
            look_of[look.digest] = look
    if not look_of:
        return
    digests = list(look_of)
    most = max(len(look.hashes) for look in look_of.values() if look.hashes is not None)
    hashes = np.stack([np.resize(look.hashes, most) for look in look_of.values() if look.hashes is not None])
    thumbs = np.stack([np.resize(look.thumbs, (most, 16, 16)) for look in look_of.values() if look.thumbs is not None])
    # Items whose rows lie in the same splits of all folds cannot leak into each other.
    whereabouts = {digest: tuple(sorted({(row.fold, row.split) for row in rows_of[digest]})) for digest in digests}
    numbers = {where: number for number, where in enumerate(dict.fromkeys(whereabouts.values()))}
    groups = np.array([numbers[whereabouts[digest]] for digest in digests], np.int64)
    for one, other in near_pairs(hashes, thumbs, groups):
        rows = [*rows_of[digests[one]], *rows_of[digests[other]]]
        where = _split_folds(rows)
        if where:
            labels = list(dict.fromkeys(row.label for row in rows if row.label))
            detail = where + (f", as {' and '.join(labels)}" if len(labels) > 1 else "")
            yield Problem("near leak", tuple(dict.fromkeys(row.id for row in rows)), detail)


def _subjects(manifest: Manifest) -> Iterator[Problem]:
    rows_of: dict[str, list[Row]] = defaultdict(list)
    for row in manifest.rows:
        if row.subject:
            rows_of[row.subject].append(row)
    for subject, rows in rows_of.items():
        where = _split_folds(rows)
        if where:
            yield Problem("subject leak", (subject,), where)


def _ids(manifest: Manifest) -> Iterator[Problem]:
    times = Counter((row.fold, row.id) for row in manifest.rows)
    repeated: dict[str, list[str]] = defaultdict(list)
    for (fold, name), n in times.items():
        if n > 1:
            repeated[name].append(f"{n} times" + (f" in fold {fold}" if fold else ""))
    for name, where in repeated.items():
        yield Problem("repeated id", (name,), ", ".join(where))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _cells(count: Count) -> list[str]:
    published = "" if count.published is None else str(count.published)
    return [str(count.fold or ""), count.split, str(count.found), published, _signed(count.difference)]


def _short(count: Count | None) -> str:
    if count is None:
        return ""
    return str(count.found) + (f" ({_signed(count.difference)})" if count.difference is not None else "")


def _signed(difference: int | None) -> str:
    return "" if difference is None else f"{difference:+d}" if difference else "0"


def _examples(problems: Sequence[Problem]) -> str:
    shown = [f"{' = '.join(problem.items[:3])} ({problem.detail})" for problem in problems[:MOST_EXAMPLES]]
    return "; ".join(shown)
