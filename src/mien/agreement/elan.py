"""ELAN's .eaf: every tier whose annotations have times of their own; tiers that mien wrote are its own and left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.agreement.codes import Codes, Stretch, base_name, torn
from mien.core.markup import read_xml
from mien.core.names import counted

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

WHAT = "an annotation file of ELAN (.eaf)"
OURS = "mien "


def read(path: Path) -> Codes:
    """The stretches of an .eaf; people are the tiers' participants, else the tiers' names."""
    root = read_xml(path, WHAT)
    try:
        if root.tag != "ANNOTATION_DOCUMENT":
            raise ValueError(f"a document of {root.tag}")
        media = root.find("HEADER/MEDIA_DESCRIPTOR")
        film, offset = "", 0.0
        if media is not None:
            film = base_name(media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or "")
            offset = float(media.get("TIME_ORIGIN") or 0) / 1000
        times = _times(root)
        own = [tier for tier in root.findall("TIER") if not tier.get("ANNOTATOR", "").startswith(OURS)]
        found = tuple(one for tier in own for one in _stretches(tier, times, film, offset))
    except (ValueError, KeyError) as error:
        raise torn(path, WHAT, error) from error
    ours = len(root.findall("TIER")) - len(own)
    note = f"{path.name}: {counted(ours, 'tier')} of mien's own {'is' if ours == 1 else 'are'} no codes."
    return Codes(path, found, (note,) if ours else ())


def _times(root: Element) -> dict[str, float]:
    """Seconds of every time slot; those that have none lie evenly between their neighbours, as ELAN shows them."""
    slots = root.findall("TIME_ORDER/TIME_SLOT")
    values = np.array([float(slot.get("TIME_VALUE") or "nan") for slot in slots])
    places, known = np.arange(len(slots)), np.isfinite(values)
    if not known.all():
        if not known.any():
            raise ValueError("no time slot with a time")
        values = np.interp(places, places[known], values[known])
    return dict(zip((slot.attrib["TIME_SLOT_ID"] for slot in slots), (values / 1000).tolist(), strict=True))


def _stretches(tier: Element, times: dict[str, float], film: str, offset: float) -> Iterator[Stretch]:
    name = tier.attrib["TIER_ID"]
    for one in tier.iter("ALIGNABLE_ANNOTATION"):
        start, end = (times[one.attrib[f"TIME_SLOT_REF{n}"]] + offset for n in (1, 2))
        label = (one.findtext("ANNOTATION_VALUE") or "").strip()
        if label:
            yield Stretch(start, end, label, tier.get("PARTICIPANT") or name, film, tier.get("ANNOTATOR", ""), name)
