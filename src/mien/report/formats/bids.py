"""BIDS (bids-specification.readthedocs.io, "Behavioral experiments"): events of a film in ``sub-<label>/beh/``.

A film is a subject: whom it shows is not known here, and its people stand in the column ``person``.
"""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.files import whole_file
from mien.core.names import printable
from mien.core.sheets import escaped
from mien.report.formats.base import AUTHOR, Format, edit_tiers
from mien.report.tables import SCORE_DIGITS, TIME_DIGITS, write_json

if TYPE_CHECKING:
    from mien.report.findings import Findings

NOTHING = "n/a"
COLUMNS = {
    "onset": {"Description": "when it begins, on the film's own clock", "Units": "s"},
    "duration": {"Description": "how long it lasts", "Units": "s"},
    "trial_type": {"Description": "the expression shown, or unclear; marks and excluded of a person who looked"},
    "person": {"Description": "name, or number in this film, from 1"},
    "score": {"Description": "mean probability of the expression over its frames, 0 to 1"},
    "reason": {"Description": "why it is unclear or excluded, or what was marked"},
}


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``sub-<stem>/beh/sub-<stem>_task-film_events.tsv`` and its ``.json``, and what makes ``folder`` a set."""
    subject = f"sub-{label_of(stem)}"
    events = folder / subject / "beh" / f"{subject}_task-film_events.tsv"
    with whole_file(events) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for span in result.spans:
            times = (f"{time:.{TIME_DIGITS}f}" for time in (span.start, span.end - span.start))
            label, reason = (escaped(printable(text)) for text in (span.label, span.reason or NOTHING))
            who = escaped(result.edits.names.get(span.track, str(span.track)))
            writer.writerow([*times, label, who, f"{span.score:.{SCORE_DIGITS}f}", reason])
        for tier in edit_tiers(result):
            for mark in tier.marks:
                length = 0 if tier.signal == "marks" else mark.end - mark.start
                times = (f"{time / 1000:.{TIME_DIGITS}f}" for time in (mark.start, length))
                writer.writerow([*times, tier.signal, NOTHING, NOTHING, escaped(mark.text)])
    about, told = events.with_suffix(".json"), folder / "dataset_description.json"
    write_json(about, {**COLUMNS, "StimulusPresentation": {"SoftwareName": AUTHOR}, "mien": result.provenance})
    set_of = {"Name": "Expressions shown", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    write_json(told, {**set_of, "GeneratedBy": [{"Name": "mien", "Version": AUTHOR.split()[1]}]})
    return [events, about, told]


def label_of(stem: str) -> str:
    """A subject's label, letters and digits alone; with a mark of its own where that takes something from a name."""
    plain = re.sub("[^A-Za-z0-9]", "", stem)
    return plain if plain == stem else plain + hashlib.sha256(stem.encode("utf-8", "surrogatepass")).hexdigest()[:6]


FORMAT = Format(write, timed=True)
