"""The site's lanes: which requests share threads, and whom a request counts as.

A withdrawal must be answered while reports are slow and visitors many, so the consent API and people's own
pages have threads of their own. So have `/ready`, which an orchestrator believes, and exports, whose threads
wait for slow readers. In every lane callers take turns (`ingest/load/threads.py`).
"""

from typing import Any

from django.http import HttpRequest

from dashboards.sign_in import client_of
from ingest.load.threads import Pool

CONSENT = (
    "/api/consent/",
    "/api/users/telemetry/",
    "/api/config/me/",
    "/api/v1/config/me/",
    "/api/privacy/erasure",
    "/privacy/mine/",
)
EXPORT = "/api/privacy/export"
PROBE = "/ready"
PER_CALLER = 64  # requests of one caller under way or waiting in one process, in each lane
EXPORTS_WAITING = 4  # in one process; one export runs for each caller, two for all


def lane_of(path: str) -> str:
    """The name of the lane for this path."""
    if path == PROBE:
        return "probes"
    if path == EXPORT:
        return "exports"
    return "consent" if path.startswith(CONSENT) else "pages"


def caller_of(environ: dict[str, Any]) -> str:
    """Who takes turns with others: a client's address, by the rules of sign-ins. Nobody's keys are asked."""
    request = HttpRequest()
    request.META = environ
    return client_of(request)


def pools(waiting: int) -> dict[str, Pool]:
    """The threads of each lane of one process."""
    return {
        "pages": _pool("pages", threads=2, spare=1, waiting=waiting, yields=True),
        "consent": _pool("consent", threads=2, waiting=waiting, hurries=True),
        "probes": _pool("probes", threads=1, waiting=waiting, hurries=True),
        "exports": _pool("exports", threads=1, spare=1, waiting=EXPORTS_WAITING, per_caller=2),
    }


def _pool(
    name: str,
    *,
    threads: int,
    waiting: int,
    spare: int = 0,
    per_caller: int = PER_CALLER,
    hurries: bool = False,
    yields: bool = False,
) -> Pool:
    return Pool(
        name=name,
        threads=threads,
        spare=spare,
        waiting=waiting,
        per_caller=per_caller,
        hurries=hurries,
        yields=yields,
        before=lambda: None,
    )
