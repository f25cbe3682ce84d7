"""What a built day holds: the kinds of content, how they are keyed, and what a cell is.

| kind | holds |
|---|---|
| `active` | bitmap of members |
| `login` | bitmap of members, and how often each signed in |
| `feature`, `endpoint`, `page` | bitmap of (name, member); for pages also how often |
| `uses` | how often each feature's action was used, by cell |
| `requests` | requests of each endpoint by status class, and sums of durations, by cell |
| `latency` | histograms of each endpoint, by cell |
| `error`, `timing` | bitmap of (name, member): errors by type and place, timings by feature/action and '' |
| `errors` | how often each error occurred, by cell |
| `timings`, `durations` | the same as `requests` and `latency` of timings; and sums of memory |
| `session` | each session's first and last event |

A *slice* is one combination of the values of the day's dimensions (attributes that the registry marks as
such: `app`, `app_version` …). `slices` holds their names: first the dimensions, then each slice's values in
that order, so that a slice's number is its place after the first; NOT_REPORTED where an event has no value,
OTHER where the day has more values or slices than it keeps (`building/slicing.py`). Contents above count all
slices together. A day with more than one slice also has each of them by slice: `sliced(kind)` (`feature~`).

| kind | holds |
|---|---|
| `slices` | names: the dimensions, then the slices; on every day that has events |
| `active~` | bitmap of (slice, member) |
| `login~` | bitmap of (slice, member), and how often each signed in |
| `feature~`, `endpoint~`, `page~` | names: the name and the slice's number as text; else as without `~` |
| `session~` | the first and last event of each session, member and slice (array `slice`) |
| `uses~`, `requests~`, `latency~` | as in the plain kind, by slice, too (array `slice`); by group likewise |

On a day with one slice the plain contents are that slice's.

Only people are in bitmaps and sessions, not anonymous events. A *cell* is one deployment type and internal
use. `…_by_group/N` hold the same by group, for the filter by organization; N is the group's number modulo
PIECES. Building writes this, reading and sealing read it.
"""

from datetime import timedelta

KINDS_OF_PEOPLE = ("active", "login", "feature", "endpoint", "page", "error", "timing", "session")
SETS_OF_MEMBERS = ("active", "login")  # their whole days are bitmaps of 32 bits
# Kinds of events, each with the kind that has its people.
PEOPLE_OF = {
    "uses": "feature",
    "requests": "endpoint",
    "latency": "endpoint",
    "errors": "error",
    "timings": "timing",
    "durations": "timing",
}
KINDS_OF_EVENTS = tuple(PEOPLE_OF)

KEY_SHIFT = 32  # a (name, member) pair is (name's number << 32) | member's number
PIECES = 32  # contents by group are divided into so many

SLICES = "slices"
NOT_REPORTED = ""  # a slice's value of a dimension that an event does not have
OTHER = "{other}"
MOST_VALUES = 50  # of a dimension on a day; the most frequent ones
MOST_SLICES = 1_000  # on a day
LONGEST_VALUE = 60  # characters; registries allow no longer ones, but rows may be older

DEPLOYMENT_TYPES = ("cloud", "self-hosted", "unknown")
CELLS = 2 * len(DEPLOYMENT_TYPES)
# What events claim is one of the three already; anything else would be an old or foreign row.
DEPLOYMENT = "CASE WHEN deployment_type IN ('cloud', 'self-hosted') THEN deployment_type ELSE 'unknown' END"

WINDOWS = {"dau": 1, "wau": 7, "mau": 28}  # days in which people are counted once
LONGEST_WINDOW = max(WINDOWS.values())
RETENTION_DAYS = 7  # within which whoever comes back counts as retained
LOGIN_WINDOW = timedelta(days=RETENTION_DAYS)  # the same from one sign-in to the next
COHORT_WEEKS = 12  # that a weekly cohort is followed for, its own included


def cell_of(deployment_type: str, *, is_internal: bool) -> int:
    """The number of a cell, from 0 to CELLS - 1; odd where the use is internal."""
    return 2 * DEPLOYMENT_TYPES.index(deployment_type) + is_internal


def is_internal_cell(cell: int) -> bool:
    return cell % 2 == 1


def piece_of(kind: str, group: int) -> str:
    """The kind under which a group's part of a kind of events is stored."""
    return f"{kind}_by_group/{group % PIECES}"


def sliced(kind: str) -> str:
    """The kind under which a content is stored by slice."""
    return f"{kind}~"
