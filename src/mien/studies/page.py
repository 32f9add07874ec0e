"""study.html: the study on one page that asks no network for anything and runs no script."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from mien.core.files import whole_file
from mien.core.version import __version__
from mien.studies.collect import Collected
from mien.studies.films import EXPRESSION
from mien.studies.measures import AFTER
from mien.studies.summary import Test, Unit

MOST_ROWS = 300
TITLES = {"curves": "Curves", "heatmap": "People over time", "raster": "What was shown when"}
ALTS = {
    "curves": "Mean and interval of every expression around the event",
    "heatmap": "A row a person, time from left to right",
    "raster": "Spans of expressions of every person over the film",
}


def write_page(
    path: Path, found: Collected, units: Sequence[Unit], tests: Sequence[Test], pictures: Sequence[Path], methods: str
) -> Path:
    """Write the page.

    Args:
        path: the file.
        found: what was collected.
        units: of summary.csv.
        tests: of tests.csv.
        pictures: PNG or SVG files that go into the page.
        methods: the text of methods.md.
    """
    style = (resources.files("mien.studies") / "page" / "study.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    people = len({one.appearance.person for one in found.quality})
    values = {
        "policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
        ),
        "style": style,
        "version": escape(__version__),
        "lead": f"{people} people, {len(found.plan.films)} films, {len(found.plan.notes)} notes",
        "pictures": "\n".join(_figure(picture) for picture in pictures),
        "means": _means(found, units),
        "tests": _tests(tests),
        "quality": _quality(found),
        "notes": _notes(found),
        "methods": _prose(methods),
    }
    page = (resources.files("mien.studies") / "page" / "study.html").read_text("utf-8")
    with whole_file(path) as draft:
        draft.write_text(Template(page).substitute(values), "utf-8", errors="replace")
    return path


def _figure(path: Path) -> str:
    name = path.stem
    image = base64.b64encode(path.read_bytes()).decode("ascii")
    kind = "svg+xml" if path.suffix == ".svg" else "png"
    caption = escape(TITLES.get(name, name))
    alt = escape(ALTS.get(name, name))
    return (
        f'<figure><figcaption>{caption}</figcaption><img src="data:image/{kind};base64,{image}" alt="{alt}"></figure>'
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], file: str) -> str:
    """Cells as text; the first :data:`MOST_ROWS` rows, and where the others are."""
    listed = list(rows)
    if not listed:
        return f"<p>None; see <code>{file}</code>.</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in listed[:MOST_ROWS]
    )
    more = f"; {len(listed) - MOST_ROWS} more rows there" if len(listed) > MOST_ROWS else ""
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
        f"<p class=quiet>All of it in <code>{file}</code>{more}.</p>"
    )


def _means(found: Collected, units: Sequence[Unit]) -> str:
    """Mean over people of their means: a row a condition and trial type."""
    names = [label if signal == EXPRESSION else f"{signal}: {label}" for signal, label in found.plan.columns.names]
    by_kind: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        by_kind.setdefault((unit.condition, unit.trial_type), []).append(unit)
    rows = []
    for (condition, kind), those in by_kind.items():
        for name in ("mean", f"mean{AFTER}") if found.baseline is not None else ("mean",):
            values = [unit.measured.values[name] for unit in those if name in unit.measured.values]
            table = np.array(values).reshape(len(values), len(names))
            known = (~np.isnan(table)).sum(axis=0)
            means = np.nansum(table, axis=0) / np.where(known > 0, known, np.nan)
            score = "raw" if name == "mean" else "corrected"
            rows.append([condition, kind, score, str(len(values)), *(_number(float(value)) for value in means)])
    return _table(["condition", "trial type", "score", "people", *names], rows, "summary.csv")


def _tests(tests: Sequence[Test]) -> str:
    rows = []
    for test in sorted(tests, key=lambda test: np.nan_to_num(test.found.p, nan=2.0)):
        one = test.found
        label = test.label if test.signal == EXPRESSION else f"{test.signal}: {test.label}"
        interval = "" if np.isnan(one.low) else f"{one.low:.3f} to {one.high:.3f}"
        figures = (_number(one.difference), interval, f"{one.effect_size} {_number(one.effect)}")
        cells = (f"{test.a} - {test.b}", test.within, f"{test.measure}, {test.score}", label, f"{one.n_a}, {one.n_b}")
        rows.append([*cells, *figures, _p(one.p), _p(test.p_holm), _p(test.p_fdr)])
    columns = (
        "contrast",
        "within",
        "measure",
        "label",
        "n",
        "difference",
        "95 % interval",
        "effect",
        "p",
        "Holm",
        "FDR",
    )
    return _table(columns, rows, "tests.csv")


def _quality(found: Collected) -> str:
    rows = []
    for one in found.quality:
        row = one.appearance
        reasons = ", ".join(f"{reason} {held:.1f} s" for reason, held in sorted(one.unclear.items()))
        share = f"{one.readable / one.seconds:.0%}" if one.seconds else ""
        cells = (row.person, row.condition, row.file, f"{one.seconds:.1f}", share, reasons)
        rows.append([*cells, f"{one.excluded:.1f}", str(one.losses), one.text])
    for row in found.plan.lost:
        rows.append([row.person, row.condition, row.file, "", "", "", "", "", "no result of this film"])
    columns = ("person", "condition", "film", "seconds", "readable", "unclear", "excluded, s", "lost", "note")
    return _table(columns, rows, "quality.csv")


def _notes(found: Collected) -> str:
    return _table(["note"], [[str(note)] for note in found.plan.notes], "notes.csv")


def _prose(text: str) -> str:
    """Paragraphs of our own methods.md, whose only marks are a heading, *emphasis* and `code`."""
    paragraphs = [part for part in text.split("\n\n") if part.strip() and not part.startswith("#")]
    coded = (re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(part.strip())) for part in paragraphs)
    return "\n".join("<p>" + re.sub(r"[*](\w+)[*]", r"<em>\1</em>", part) + "</p>" for part in coded)


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _p(value: float) -> str:
    return "" if np.isnan(value) else "<.001" if value < 0.001 else f"{value:.3f}"
