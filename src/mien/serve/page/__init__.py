"""The page that ``mien serve`` hands out: the files of this folder, the report's style, and the palette.

``index.html`` belongs at the root of the server, every other asset below ``page/``; all addresses in it are relative,
so that a proxy may put the server below a path. It has no inline script or style and asks only its own server, which
:data:`POLICY` makes the browser enforce.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from mien.report.page.html import short_codes
from mien.report.palette import EXPRESSION_COLOURS, FREE_COLOURS, Colour, hex_colour, text_colour

POLICY = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""``Content-Security-Policy`` of the page; reports have one of their own and must not be served with this one."""
REPORT_STYLE, PALETTE = "report.css", "palette.json"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@cache
def asset(name: str = "index.html") -> tuple[bytes, str]:
    """Content and media type of one asset; ``KeyError`` when there is none of that name."""
    if name == PALETTE:
        return json.dumps(palette()).encode(), MEDIA_TYPES[".json"]
    package, file = ("mien.report.page", "style.css") if name == REPORT_STYLE else ("mien.serve.page", name)
    if name not in asset_names():
        raise KeyError(name)
    return resources.files(package).joinpath(file).read_bytes(), MEDIA_TYPES[_suffix(name)]


@cache
def asset_names() -> tuple[str, ...]:
    """Names of all assets."""
    own = (entry.name for entry in resources.files("mien.serve.page").iterdir())
    return *sorted(name for name in own if _suffix(name) in MEDIA_TYPES), REPORT_STYLE, PALETTE


def palette() -> dict[str, dict[str, dict[str, str]] | list[dict[str, str]]]:
    """Code, colour and ink of every expression mien knows, and the colours that other labels take in turn."""
    codes = short_codes(tuple(EXPRESSION_COLOURS))
    known = {
        name: {"code": code, **_shades(colour)}
        for code, (name, colour) in zip(codes, EXPRESSION_COLOURS.items(), strict=True)
    }
    known["unclear"]["code"] = "?"
    return {"known": known, "free": [_shades(colour) for colour in FREE_COLOURS]}


def _shades(colour: Colour) -> dict[str, str]:
    return {"colour": hex_colour(colour), "ink": hex_colour(text_colour(colour))}


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
