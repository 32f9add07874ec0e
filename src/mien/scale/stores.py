"""Files anywhere: of this machine, or in a store that fsspec has a package for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mien.core.checks import parse_json
from mien.core.errors import ConfigError, FileError, MienError, MissingDependencyError, SourceError, file_error
from mien.core.files import draft_beside, whole_file
from mien.core.names import printable

EXTRA = "pip install 'mien[scale]'"
try:
    import fsspec
    import pyarrow
    from pyarrow import parquet
except ImportError as missing:
    raise MissingDependencyError("fsspec and pyarrow", f"no {missing.name}", EXTRA) from missing

MARKS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated")
"""What stores call that by which a file is known to be another one, the surest first."""
_CHUNK = 1 << 20


def store_of(uri: str) -> tuple[Any, str]:
    """The file system that an address lies in, and the path there.

    Args:
        uri: a path of this machine, or ``s3://bucket/key`` and whatever else fsspec knows.

    Raises:
        MissingDependencyError: the store's package is not installed.
        ConfigError: no such kind of store.
    """
    try:
        # Not url_to_fs, to which "::" in a name means one store within another.
        kind = fsspec.get_filesystem_class(scheme(uri))
        if is_here(uri):
            return kind(), local_path(uri)
        return kind(**kind._get_kwargs_from_urls(uri)), kind._strip_protocol(uri)
    except ImportError as error:
        raise MissingDependencyError(f"a package for {scheme(uri)}:// addresses", str(error), "install it") from error
    except ValueError as error:
        known = "a path, or an address such as s3://bucket/films"
        raise ConfigError(known, printable(uri), f"fsspec says: {error}") from error


def scheme(uri: str) -> str:
    """``s3`` of ``s3://bucket/key``; ``file`` of a path."""
    return uri.split("://", 1)[0] if "://" in uri else "file"


def is_here(uri: str) -> bool:
    """Whether an address is a path of this machine."""
    return scheme(uri) in ("file", "local")


def local_path(uri: str) -> str:
    """The path that a local address stands for, whole."""
    return os.path.abspath(uri.split("://", 1)[1] if "://" in uri else uri)


def join(folder: str, *parts: str) -> str:
    """An address in ``folder``."""
    return "/".join([folder.rstrip("/"), *parts])


def mark_of(info: dict[str, Any]) -> str:
    """By what a file is known to be another one than before: a hash where its store has one, else its time."""
    return next((str(info[name]) for name in MARKS if info.get(name) is not None), "")


def files_below(folder: str, suffix: str) -> list[str]:
    """Addresses of the files with ``suffix`` in ``folder`` and below, by name; none where there is no folder."""
    store, path = store_of(folder)
    with in_words(folder):
        store.invalidate_cache()
        found = sorted(store.find(path))
    hidden = ".mien-"  # drafts of tables that are being written
    return [unstripped(store, one) for one in found if one.endswith(suffix) and hidden not in one.rsplit("/", 1)[-1]]


def unstripped(store: Any, path: str) -> str:
    """The address of a path in a store; a path itself where the store is this machine."""
    address = str(store.unstrip_protocol(path))
    return address.split("://", 1)[1] if is_here(address) else address


def write_bytes(uri: str, content: bytes) -> None:
    """Put a file there, whole or not at all. Raises FileError where that is refused."""
    store, path = store_of(uri)
    with in_words(uri):
        if is_here(uri):
            with whole_file(Path(path)) as draft:
                draft.write_bytes(content)
        else:
            store.pipe_file(path, content)  # of an object store: in one piece, or none


def read_bytes(uri: str) -> bytes | None:
    """What a file holds; None where there is none. Raises FileError where it cannot be read."""
    store, path = store_of(uri)
    with in_words(uri):
        try:
            content: bytes = store.cat_file(path)
        except FileNotFoundError:
            return None
        return content


def remove(uri: str) -> None:
    """Remove a file, or a folder with all in it, that may be gone already."""
    store, path = store_of(uri)
    with in_words(uri), suppress(FileNotFoundError):
        store.rm(path, recursive=True)


def write_table(uri: str, table: pyarrow.Table) -> None:
    """Write a Parquet file, whole or not at all."""
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    write_bytes(uri, sink.getvalue().to_pybytes())


def read_table(uri: str, columns: list[str] | None = None) -> pyarrow.Table:
    """A Parquet file, or some of its columns. Raises FileError where the store fails, SourceError where it is torn."""
    with _opened(uri) as file:
        return parquet.read_table(file, columns=columns)


def schema_of(uri: str) -> pyarrow.Schema:
    """The columns of a Parquet file. Raises as :func:`read_table` does."""
    with _opened(uri) as file:
        return parquet.read_schema(file)


@contextmanager
def _opened(uri: str) -> Iterator[Any]:
    store, path = store_of(uri)
    try:
        with store.open(path, "rb") as file:
            yield file
    except Exception as error:
        read_bytes(uri)  # which says so where the store is at fault
        raise _torn(uri, error) from error


def _torn(uri: str, why: object) -> SourceError:
    got = f"{printable(uri)}: {why}"
    return SourceError("a file as a sweep writes it", got, "move it away: what it held is done again")


def read_json(uri: str) -> dict[str, Any]:
    """The object in a JSON file. Raises SourceError where there is none."""
    try:
        content = parse_json((read_bytes(uri) or b"").decode())
    except ValueError as error:
        raise _torn(uri, error) from error
    if not isinstance(content, dict):
        raise _torn(uri, "no object")
    return content


def write_json(uri: str, content: dict[str, Any]) -> None:
    """Write an object as indented UTF-8 JSON."""
    write_bytes(uri, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


@contextmanager
def fetched(uri: str, scratch: Path, most_bytes: int) -> Iterator[Path]:
    """A film as a file of this machine: itself where it is one, else a copy that goes when the block ends.

    Args:
        uri: of the film.
        scratch: folder for the copy; what killed processes left there is removed.
        most_bytes: of a copy.

    Raises:
        SourceError: more bytes than that.
        OSError: the store does not give it.
    """
    if is_here(uri):
        yield Path(local_path(uri))
        return
    store, path = store_of(uri)
    scratch.mkdir(parents=True, exist_ok=True)
    copy = draft_beside(scratch / "film", Path(path).suffix)
    try:
        with store.open(path, "rb") as source, copy.open("wb") as file:
            copied = 0
            while chunk := source.read(_CHUNK):
                copied += len(chunk)
                if copied > most_bytes:
                    raise too_large(uri, copied, most_bytes)
                file.write(chunk)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def too_large(uri: str, size: int, most_bytes: int) -> SourceError:
    """What to say of a film that is not to be copied."""
    got = f"{printable(uri)} of {size} bytes" if size <= most_bytes else f"{printable(uri)}, which has more"
    return SourceError(f"a film of at most {most_bytes} bytes to copy", got, "allow more with --most-gigabytes")


@contextmanager
def in_words(uri: str) -> Iterator[None]:
    """Whatever a store's package raises in this block, as an InputError that names the address."""
    try:
        yield
    except MienError:
        raise
    except OSError as error:
        raise (not_given(error, uri) if error.errno is None else file_error(error, printable(uri))) from error
    except Exception as error:  # packages of stores have errors of their own: no credentials, no such region
        raise not_given(error, uri) from error


def not_given(error: Exception, uri: str) -> FileError:
    """What to say of a store that does not do what it is asked."""
    got = f"{printable(uri)}: {type(error).__name__}: {error}"
    return FileError("a store that can be used", got, "check the address, the credentials and the network")
