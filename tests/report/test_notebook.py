"""What Jupyter shows of a result."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

from mien.core.labels import LabelSpace
from mien.core.types import Span
from mien.report.notebook import MOST_DRAWN, MOST_ROWS
from mien.report.result import Result


def cells(result: Result) -> list[list[str]]:
    html = result._repr_html_()
    return [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", html)][1:]


def timeline(result: Result) -> ET.Element | None:
    found = re.search('src="data:image/svg.xml;base64,([^"]*)"', result._repr_html_())
    return ET.fromstring(base64.b64decode(found[1])) if found else None


def test_the_spans_are_listed_and_drawn(result: Result) -> None:
    assert "<strong>noise.mp4</strong>: 2 faces, 4 spans" in result._repr_html_()
    assert cells(result)[0] == ["1", "0.00", "1.16", "happiness", "0.80"]
    assert cells(result)[2] == ["1", "1.16", "1.80", "unclear: turned away", ""]
    picture = timeline(result)
    assert picture is not None
    assert len([one for one in picture.iter() if one.tag.endswith("rect") and len(one)]) == 4


def test_no_name_becomes_markup(result: Result) -> None:
    label = '"><script>alert(1)</script>&'
    bad = f"{label}\x1b\udcff"
    spans = (Span(1, 0.0, 1.0, label, 0.8), Span(1, 1.0, 2.0, "unclear", 0.0, True, label))
    space = LabelSpace("odd", ("neutral", label, "sadness"))
    shown = replace(result, source=replace(result.source, name=bad), labels=space, spans=spans)
    html = shown._repr_html_()
    tags = {tag.split()[0].strip("/") for tag in re.findall("<([^>]*)>", html)}
    assert tags == {"div", "p", "strong", "img", "table", "thead", "tbody", "tr", "th", "td"}
    quoted = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;"
    assert (html.count(quoted), html.count(f"{quoted}??")) == (4, 2)
    assert timeline(shown) is not None
    assert html.encode()


def test_nobody_is_said(nobody: Result) -> None:
    assert "0 faces, 0 spans" in nobody._repr_html_()
    assert "<table" not in nobody._repr_html_()


def test_a_long_result_stays_small(nobody: Result) -> None:
    spans = tuple(Span(1, i / 100, (i + 1) / 100, ("neutral", "happiness")[i % 2], 0.9) for i in range(MOST_DRAWN + 1))
    long = replace(nobody, spans=spans)
    assert len(cells(long)) == MOST_ROWS
    assert f"{MOST_DRAWN + 1 - MOST_ROWS} more" in long._repr_html_()
    assert timeline(long) is None
    assert timeline(replace(nobody, spans=spans[:-1])) is not None
    assert len(long._repr_html_()) < 10_000
