"""A network on its way to another process: as bytes, which are opened where they are first needed."""

from __future__ import annotations

import pickle
import threading
from typing import Any

from mien.core.errors import ConfigError
from mien.core.forks import library_work

_unpickling = threading.Lock()
"""Only taken within library work."""


def pickled(network: Any) -> bytes:
    """A network as bytes; what is bytes already stays. Raises ConfigError for one that does not pickle."""
    if isinstance(network, bytes):
        return network
    try:
        return pickle.dumps(network)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        got = f"a {type(network).__name__} that does not: {error}"
        fix = "use one process, or make the model where it is used"
        raise ConfigError("a network that pickles, to go to another process", got, fix) from error


def unpickled(holder: object, name: str) -> Any:
    """The network that an attribute of ``holder`` holds, as it is or as bytes, which it replaces."""
    if isinstance(getattr(holder, name), bytes):
        with library_work, _unpickling:
            if isinstance(held := getattr(holder, name), bytes):
                setattr(holder, name, pickle.loads(held))
    return getattr(holder, name)
