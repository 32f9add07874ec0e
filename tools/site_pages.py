"""A hook of the documentation site: pages that lie elsewhere in the repository, with their links turned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "index.md": "README.md",
    "results.md": "recipes/RESULTS.md",
}
"""Page of the site and where its text is."""
PLACES = {source: page for page, source in PAGES.items()}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=text_of(ROOT / source)))
    return files


def text_of(source: Path) -> str:
    """A document, its links turned."""
    return re.sub(r"(\]\()([^)#:]+)", lambda link: link[1] + turned(source.parent, link[2]), source.read_text("utf-8"))


def turned(folder: Path, link: str) -> str:
    """A link of a page in ``folder`` as the site has it."""
    path = (folder / link).resolve().relative_to(ROOT).as_posix()
    return PLACES.get(path, path.removeprefix("docs/"))
