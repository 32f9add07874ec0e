"""ELAN's annotation format (EAF 3.0, www.mpi.nl/tools/elan/EAFv3.0.xsd): a tier a person, the film linked.

Times are whole milliseconds on the film's own clock, which is what ELAN's players show. The labels, and ``unclear``,
are a controlled vocabulary: a coder who adds a tier of the same type picks from it, and ``mien agree`` reads both.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from mien.core.files import whole_file
from mien.core.names import printable
from mien.core.types import UNCLEAR
from mien.report.formats.base import AUTHOR, EXPRESSION, Format, Tier, all_tiers, film_of, way_to

if TYPE_CHECKING:
    from mien.report.findings import Findings

SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
UNDETERMINED = "http://cdb.iso.org/lg/CDB-00138502-001"
"""ELAN's address for "no language in particular"."""
TYPES = {".mkv": "video/x-matroska", ".mov": "video/quicktime", ".m4v": "video/mp4", ".webm": "video/webm"}


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.eaf``."""
    path = folder / f"{stem}.eaf"
    document = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": AUTHOR,
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{SCHEMA_INSTANCE}}}noNamespaceSchemaLocation": SCHEMA,
        },
    )
    _add_header(document, film_of(result), folder)
    found = all_tiers(result)
    _add_tiers(document, found)
    for name in dict.fromkeys((EXPRESSION, *(tier.signal for tier in found))):
        kind = {"LINGUISTIC_TYPE_ID": name, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
        listed = {"CONTROLLED_VOCABULARY_REF": EXPRESSION} if name == EXPRESSION else {}
        SubElement(document, "LINGUISTIC_TYPE", kind | listed)
    language = {"LANG_ID": "und", "LANG_DEF": UNDETERMINED, "LANG_LABEL": "undetermined (und)"}
    SubElement(document, "LANGUAGE", language)
    _add_vocabulary(document, (*result.labels.labels, UNCLEAR))
    indent(document)
    with whole_file(path) as draft:
        ElementTree(document).write(draft, encoding="UTF-8", xml_declaration=True)
    return [path]


def _add_header(document: Element, film: Path | None, folder: Path) -> None:
    header = SubElement(document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if film is not None:
        suffix = film.suffix.lower()
        links = {
            "MEDIA_URL": f"file:///{printable(film.absolute().as_posix()).lstrip('/')}",
            "RELATIVE_MEDIA_URL": way_to(film, folder),
            "MIME_TYPE": TYPES.get(suffix) or mimetypes.guess_type(f"film{suffix}")[0] or "unknown",
        }
        SubElement(header, "MEDIA_DESCRIPTOR", links)


def _add_tiers(document: Element, found: Sequence[Tier]) -> None:
    order = SubElement(document, "TIME_ORDER")
    slots: dict[int, str] = {}
    for time in sorted({time for tier in found for mark in tier.marks for time in (mark.start, mark.end)}):
        slots[time] = f"ts{len(slots) + 1}"
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slots[time], "TIME_VALUE": str(time)})
    number = count(1)
    for tier in found:
        facts = {"TIER_ID": tier.name, "PARTICIPANT": tier.who, "ANNOTATOR": AUTHOR, "LINGUISTIC_TYPE_REF": tier.signal}
        element = SubElement(document, "TIER", facts)
        for mark in tier.marks:
            place = {"TIME_SLOT_REF1": slots[mark.start], "TIME_SLOT_REF2": slots[mark.end]}
            one = SubElement(element, "ANNOTATION")
            one = SubElement(one, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{next(number)}", **place})
            SubElement(one, "ANNOTATION_VALUE").text = mark.text
    last = SubElement(document[0], "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    last.text = str(next(number) - 1)


def _add_vocabulary(document: Element, words: Sequence[str]) -> None:
    vocabulary = SubElement(document, "CONTROLLED_VOCABULARY", {"CV_ID": EXPRESSION})
    SubElement(vocabulary, "DESCRIPTION", {"LANG_REF": "und"}).text = "expressions shown, not emotions felt"
    for number, word in enumerate(words):
        entry = SubElement(vocabulary, "CV_ENTRY_ML", {"CVE_ID": f"cveid{number}"})
        SubElement(entry, "CVE_VALUE", {"LANG_REF": "und", "DESCRIPTION": ""}).text = printable(word)


FORMAT = Format(write, timed=True)
