"""Makes a database unreachable inside a block: this thread's connection ends, and no other can begin."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

NOBODY = {"HOST": "127.0.0.1", "PORT": "1"}  # where nothing listens


@contextmanager
def away(alias: str) -> Iterator[None]:
    """Only for tests that commit: an open transaction would end with its connection."""
    wrapper = connections[alias]
    before = {name: wrapper.settings_dict[name] for name in (*NOBODY, "OPTIONS")}
    options = {name: value for name, value in before["OPTIONS"].items() if name not in ("host", "port")}
    wrapper.close()
    wrapper.settings_dict.update(NOBODY, OPTIONS=options)
    try:
        yield
    finally:
        wrapper.close()
        wrapper.settings_dict.update(before)
