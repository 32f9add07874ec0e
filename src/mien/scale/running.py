"""A sweep: list the films, do what has no row yet, and write the rows; as often as one likes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

import pyarrow
from pyarrow import compute

from mien.analysis.folders import read_shard
from mien.core.errors import ConfigError
from mien.core.processes import is_over, process_mark
from mien.scale.asked import Asked, in_shard
from mien.scale.engines import ENGINES, Orders
from mien.scale.ledger import Ledger
from mien.scale.listing import address_of
from mien.scale.manifest import Manifest
from mien.scale.progress import Count, Tell
from mien.scale.rows import STATUSES, WELL
from mien.scale.settings import LOCAL, SHARD, Care, Crew
from mien.scale.stores import files_below, join, remove, scheme

FAILED = tuple(status for status in STATUSES if status not in WELL)
MEANWHILE = "meanwhile"
"""Folder, in a sweep's place, of what an engine needs while it runs."""


def sweep(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    asked: Asked | None = None,
    *,
    engine: str = LOCAL,
    crew: Crew | None = None,
    care: Care | None = None,
    shard: str | None = None,
    retry: str | None = None,
    plan: bool = False,
    progress: Tell | None = None,
    orders: Orders | None = None,
) -> Count:
    """Do every film that has no row of the same question yet.

    Args:
        sources: folders, patterns, films, tables of films (:func:`mien.scale.listing.listed`); empty: what an earlier
            call planned for the same question.
        out: address of the place for everything; made if it is not there.
        asked: model and settings; defaults when None.
        engine: by its name in :data:`mien.scale.engines.ENGINES`.
        crew: how many work.
        care: limits and attempts.
        shard: ``"2/5"``: only the second fifth, with the engine ``shard``. By the films' ids, so that no film moves
            when the manifest grows; plan first, then start the array without sources.
        retry: ``"failed"``: do again what has a row without an answer, or only what has one of the statuses of
            :data:`FAILED` that is named.
        plan: list the films, and stop there.
        progress: called after every film.
        orders: in place of ``asked`` and ``care``, with a role of one's own.

    Returns:
        What was done; all of it is in ``out``.

    Raises:
        InputError: nothing to do it with: no film, model, engine, place. What is wrong with a film is a row.
    """
    named = [sources] if isinstance(sources, str | os.PathLike) else sources
    films = [os.fspath(source) for source in named]
    place = _place(os.fspath(out))
    orders = orders or Orders(asked or Asked(), place, care or Care())
    crew = crew or Crew()
    run = ENGINES[engine]
    part = _part(shard, engine)
    manifest = Manifest(place)
    rows = manifest.grow(films, orders.asked) if films else manifest.planned(orders.asked)
    if part is not None:
        rows = rows.filter(pyarrow.array(in_shard(rows["id"].to_pylist(), *part)))
    with Ledger(place) as ledger:
        if retry is not None:
            ledger.forget(rows["id"].combine_chunks(), _statuses(retry))
        todo = _without_row(rows, ledger.known())
        size = compute.sum(todo["size"]).as_py() or 0
        count = Count(len(todo), size, before=len(rows) - len(todo), threads=crew.threads)
        if plan or not len(todo):
            return count
        _clear_meanwhile(place)
        meanwhile = join(place, MEANWHILE, process_mark())
        told = Orders(orders.asked, place, orders.care, crew.threads, orders.role)
        while True:  # once, unless workers are lost
            before = count.done
            with closing(run(todo, told, crew, meanwhile)) as done:
                for table in done:
                    ledger.add(table)
                    count.add(table)
                    if progress is not None:
                        progress(count)
            assert count.done > before
            if count.done == count.films:
                break
            ledger.flush()
            todo = _without_row(rows, ledger.known())
    return count


def _place(out: str) -> str:
    if not out.strip() or scheme(out) in ("memory", "http", "https"):
        got = repr(out) if not out.strip() else out
        raise ConfigError("a place for results that stays: a folder or a bucket", got, "name one with -o")
    return address_of(out)


def _clear_meanwhile(place: str) -> None:
    """Remove what runs of this machine that were killed left behind."""
    for uri in files_below(join(place, MEANWHILE), ".parquet"):
        folder, _, mark = uri.rpartition("/")[0].rpartition("/")
        if is_over(mark):
            remove(join(folder, mark))


def _without_row(rows: pyarrow.Table, known: pyarrow.Table) -> pyarrow.Table:
    """What is to be done, the largest first: a long film that begins last keeps everybody waiting."""
    have = known["id"].combine_chunks()
    left = rows.filter(compute.invert(compute.is_in(rows["id"], value_set=have))) if len(have) else rows
    return left.sort_by([("size", "descending"), ("id", "ascending")]).combine_chunks()


def _part(shard: str | None, engine: str) -> tuple[int, int] | None:
    if (shard is None) != (engine != SHARD):
        got = f"--engine {engine} {'without' if shard is None else 'with'} a shard"
        raise ConfigError(f"a --shard with --engine {SHARD}, and with no other", got, "give both, or neither")
    return None if shard is None else read_shard(shard)


def _statuses(retry: str) -> tuple[str, ...]:
    if retry not in FAILED:
        raise ConfigError(f"one of {', '.join(FAILED)}", repr(retry), "films that have an answer are not done again")
    return FAILED if retry == "failed" else (retry,)
