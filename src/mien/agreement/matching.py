"""Which film and which face somebody coded, and which of the model's labels a code means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import numpy as np

from mien.agreement.codes import Stretch
from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace, canonical
from mien.core.names import counted
from mien.core.sheets import read_rows
from mien.core.types import UNCLEAR
from mien.report.edits import OURS
from mien.report.findings import Findings

NUMBERED = re.compile(rf"(?:{'|'.join(OURS)})?[ _-]*0*([1-9]\d{{0,5}})(?: expression)?", re.IGNORECASE)


@dataclass(frozen=True)
class Labels:
    """What codes and the model's labels are compared as.

    Attributes:
        names: the classes.
        of_code: class by code or label, in canonical spelling; None: left out.
    """

    names: tuple[str, ...]
    of_code: Mapping[str, str | None] = field(repr=False)

    def place(self, label: str) -> int:
        """Class index; -1 for what is left out."""
        name = self.of_code[canonical(label)]
        return -1 if name is None else self.names.index(name)


def match_labels(codes: Sequence[Stretch], space: LabelSpace, table: Path | None) -> Labels:
    """The classes that codes and the labels of a model share.

    Args:
        codes: all of them.
        space: of the model.
        table: CSV with the columns ``code`` and ``label``: what a code, or a label of the model, counts as. Empty:
            nothing. What it does not name counts as itself.

    Raises:
        DataError: a code that is no label and not in the table.
        ConfigError: a class that no label of the model counts as.
    """
    told: dict[str, str | None] = {canonical(UNCLEAR): None}
    if table is not None:
        told |= {
            canonical(row["code"]): canonical(row["label"]) or None for _, row in read_rows(table, ("code", "label"))
        }
    own = {canonical(label): told.get(canonical(label), canonical(label)) for label in space.labels}
    names = tuple(dict.fromkeys(name for name in own.values() if name))
    strange = sorted({one.label for one in codes if canonical(one.label) not in {**told, **own}})
    if strange:
        got = f"{', '.join(map(repr, strange[:5]))}{', ...' if len(strange) > 5 else ''}"
        fix = f"say with --map codes.csv (columns code,label; an empty label leaves a code out){_or_tiers(codes)}"
        raise DataError(f"codes among {', '.join(names)}, or a table of what they mean", got, fix)
    unmet = sorted({name for name in told.values() if name and name not in names})
    if unmet:
        got = f"{', '.join(unmet)} in {table}"
        fix = "give rows for the model's labels too: `anger,negative` beside `fear,negative`"
        raise ConfigError(f"labels that a label of the model ({', '.join(space.labels)}) counts as", got, fix)
    return Labels(names, {**told, **own})


def _or_tiers(codes: Sequence[Stretch]) -> str:
    """What else to do where codes stand in several tiers, of which some may be about other things."""
    tiers = sorted({one.tier for one in codes if one.tier})
    shown = " ".join(f"'{tier}'" for tier in tiers[:5]) + (" ..." if len(tiers) > 5 else "")
    return f"; or keep those that code expressions: --tiers with some of {shown}" if len(tiers) > 1 else ""


@dataclass(frozen=True)
class Found:
    """A result, and its folder's name."""

    name: str
    result: Findings

    @property
    def names(self) -> set[str]:
        """What a file of codes may call its film."""
        source = self.result.source.name
        return {name.lower() for name in (self.name, source, PurePath(source).stem) if name}


def match_films(codes: Sequence[Stretch], results: Sequence[Found], stem: str) -> tuple[list[Stretch], list[str]]:
    """The codes with the name of their result's folder as the film, and what was left out, a sentence each.

    Args:
        codes: of one file.
        results: of the films.
        stem: name of the codes' file, for formats that do not name a film.

    Raises:
        DataError: none of them is of a film in ``results``.
    """
    films = dict.fromkeys(one.film for one in codes)
    known: dict[str, str] = {}
    notes = []
    for film in films:
        named = film or stem
        fit = [one for one in results if {named.lower(), PurePath(named).stem.lower()} & one.names]
        if not fit and len(results) == len(films) == 1:  # there is but one that can be meant
            fit = list(results)
            notes += [f"{named} is taken for {results[0].name}."] if film else []
        if len(fit) > 1:
            got = f"{named}, which {' and '.join(one.name for one in fit)} are called"
            raise DataError("films with names of their own", got, "compare them one by one")
        if fit:
            known[film] = fit[0].name
        else:
            count = sum(one.film == film for one in codes)
            notes.append(f"{counted(count, 'code')} of {named} left out: there is no result of it.")
    if not known:
        got = f"codes of {', '.join(name or stem for name in films)}"
        fix = "name the film in the codes' file"
        if not any(films):
            fix = f"link the film in the codes' file, or call that file as the film, such as {results[0].name}.eaf"
        raise DataError(f"codes of {', '.join(one.name for one in results)}", got, fix)
    return [replace(one, film=known[one.film]) for one in codes if one.film in known], notes


def match_people(
    codes: Sequence[Stretch], found: Found, table: Mapping[tuple[str, str], int]
) -> tuple[dict[str, int], list[str]]:
    """Which track every coded person of a film is, and what a reader should know of it.

    Args:
        codes: of this film, of all coders.
        found: its result.
        table: track by film (empty: any) and person.

    Raises:
        DataError: it cannot be told.
    """
    tracks, frames = np.unique(found.result.frames.column("track"), return_counts=True)
    names = dict.fromkeys(one.person for one in codes)
    by_coder: dict[str, set[str]] = {}
    for one in codes:
        by_coder.setdefault(one.coder, set()).add(one.person)
    # Whom everybody calls as they like, but nobody tells from anybody else.
    alone = len(names) == 1 or (len(tracks) == 1 and all(len(used) == 1 for used in by_coder.values()))
    called = {name.lower(): track for track, name in found.result.edits.names.items()}
    longest = int(tracks[frames.argmax()]) if len(tracks) else 0
    answer, notes = {}, []
    for name in names:
        number = NUMBERED.fullmatch(name)
        listed = [table[key] for film in (*sorted(found.names), "") if (key := (film, name.lower())) in table]
        if listed:
            answer[name] = listed[0]
        elif track := called.get(name.lower().removesuffix(" expression")):
            answer[name] = track
        elif number and int(number[1]) in tracks:
            answer[name] = int(number[1])
        elif alone and longest:
            answer[name] = longest
            if len(tracks) > 1:
                notes.append(f"{found.name}: {name or 'the person coded'} is taken for person {longest}, seen longest.")
        elif not longest:
            notes.append(f"{found.name}: no face was found, so nothing can be compared.")
        else:
            people = ", ".join(str(track) for track in tracks.tolist()[:20])
            got = f"{name!r} in {found.name}, where mien has the persons {people}"
            fix = "say with --people people.csv (columns person,track, and file where they differ)"
            fix += ", or in the codes' file: in ELAN, a tier's participant" if any(one.tier for one in codes) else ""
            fix += _or_tiers(codes)
            raise DataError("people called by mien's numbers, or one person in a film", got, fix)
    return answer, notes


def read_people(path: Path | None) -> dict[tuple[str, str], int]:
    """Track by film and person, from a CSV with the columns ``person``, ``track`` and perhaps ``file``."""
    if path is None:
        return {}
    try:
        return {
            (PurePath(row.get("file", "")).stem.lower(), row["person"].lower()): int(row["track"])
            for _, row in read_rows(path, ("person", "track"))
        }
    except ValueError as error:
        raise DataError("whole numbers in the column track", f"{path}: {error}", "mend that row") from error
