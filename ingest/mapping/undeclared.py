"""Notes the names of undeclared attributes of admitted records, so that an admin sees what to declare.

The app chooses its attributes' names, and may put anything there. So a name is noted only if it is
short and plain, looks neither personal nor secret, repeats nothing that its record shows to be private,
and could be declared at all. What SDKs send by themselves is noted by group (`boilerplate.py`). Looking costs
8 µs a record, so a busy key is sampled: a few records of a request, ten requests a second. Counts are
therefore lower bounds.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from analytics.storage.rows import Row
from consent.registry.personal_data import finding, is_denied_name, is_persons_name
from consent.registry.registry import Registry
from ingest.mapping import boilerplate, scrubbing
from ingest.mapping.aliases import READ
from ingest.otlp.records import Record

LOOKED_AT = 32  # records of a request
LOOK_EVERY = 0.1  # seconds, per key and process
MAX_NAME = 64  # characters

_PLAIN = re.compile(r"\$?[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,7}", re.ASCII)
MAX_DIGITS = 3  # more are a number of something


_looked: dict[int, float] = {}  # key id: when a request of it was last looked at (monotonic seconds)


def is_due(key_id: int) -> bool:
    """Whether to look at a request of this key now."""
    return time.monotonic() >= _looked.get(key_id, 0.0) + LOOK_EVERY


def takes_its_turn(key_id: int) -> bool:
    """The same; if so, no other request of this key is due for a moment."""
    if not is_due(key_id):
        return False
    _looked[key_id] = time.monotonic()
    return True


def undeclared(
    admitted: Sequence[Row], rows: Sequence[Row], records: Sequence[Record], registry: Registry
) -> dict[str, int]:
    """Names and groups of boilerplate, and how many of the admitted records that were looked at had each.

    `records` are those that `rows` were made of, in the same order; `admitted` are some of the rows.
    """
    step = -(-len(admitted) // LOOKED_AT) or 1
    places = {id(row.id): place for place, row in enumerate(rows)}  # an admitted row may be a changed copy
    chosen = [records[places[id(row.id)]] for row in admitted[::step]]
    counts: Counter[str] = Counter()
    memory: dict[tuple[str, ...], frozenset[str]] = {}  # records of one request are much alike
    for record in chosen:
        names: set[str] = set()
        for sent in (tuple(record.attributes), tuple(record.resource.attributes)):
            if sent not in memory:
                memory[sent] = frozenset(_noted(name, registry) for name in sent) - {""}
            names |= memory[sent]
        if names:
            counts.update(_without_private(names, record))
    return dict(counts)


def _noted(name: str, registry: Registry) -> str:
    """What is noted of an attribute's name: itself, its group if it is boilerplate, or '' for nothing."""
    if len(name) > MAX_NAME or name in READ or registry.find(name) is not None:
        return ""
    return boilerplate.group_of(name) or (name if is_plain(name) else "")


@lru_cache(maxsize=8192)
def is_plain(name: str) -> bool:
    """Whether a name, by itself, may be shown to staff."""
    return (
        _PLAIN.fullmatch(name) is not None
        and sum(map(str.isdigit, name)) <= MAX_DIGITS
        and not is_denied_name(name)
        and not is_persons_name(name)
        and finding(name) is None
    )


def _without_private(names: Iterable[str], record: Record) -> list[str]:
    hidden = scrubbing.private(record.attributes).joined(scrubbing.private(record.resource.attributes))
    if hidden is scrubbing.NOTHING_PRIVATE:
        return list(names)
    return [name for name in names if not hidden.is_in(name)]
