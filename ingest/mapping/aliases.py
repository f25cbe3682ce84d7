"""The attribute names that ingest reads, and under which other names each of them also arrives.

One table for ids, routing, deployment type, paths and signals; of several names the first one sent
counts. Attributes that are only stored have their other names (`also`) in the registry,
`consent/registry/collected.toml`; `ingest/checks.py` warns when a registry declares the name of an id.
"""

from typing import NamedTuple


class IdNames(NamedTuple):
    """The names of attributes that hold an id, by kind of subject; the first one sent counts."""

    user: tuple[str, ...]
    organization: tuple[str, ...]
    session: tuple[str, ...]
    installation: tuple[str, ...]


# --- Who -----------------------------------------------------------------------------------------
IDS = IdNames(
    user=("user.id", "user_id", "enduser.id", "enduser.pseudo.id", "identity"),
    organization=("organization.id", "organization_id"),
    session=("session.id", "session_id"),
    installation=("app.installation.id", "install_id"),
)
ID_NAMES = frozenset().union(*IDS)
LOG_UID = "log.record.uid"
DO_NOT_TRACK = "telemetry.do_not_track"
INTERNAL = "internal"

# --- Which event ---------------------------------------------------------------------------------
CATEGORY = "event.category"
KIND = (CATEGORY, "event_category", "event.kind")
EVENT_NAME = ("event.name", "event_name")
EVENT_TYPE = "event.type"
FEATURE = "feature.name"
ACTION = "feature.action"
METHOD = ("http.request.method", "http.method")
ROUTE = "http.route"
STATUS = ("http.response.status_code", "http.status_code")
PATH = ("url.path", "http.target", "http.url", "url.full")
EXCEPTION = "exception.type"  # of a log record: what logging libraries send with an exception
DURATION = "duration_ms"
# Under an explicit `event.category` these shorter names count too: no other attribute can be meant.
EXPLICIT_EVENT_TYPE = (EVENT_TYPE, "event_type")
EXPLICIT_FEATURE = (FEATURE, "feature_name", "feature")
EXPLICIT_ACTION = (ACTION, "feature_action", "action")
EXPLICIT_METHOD = (*METHOD, "method")
EXPLICIT_ROUTE = (ROUTE, "endpoint", "route")
EXPLICIT_STATUS = (*STATUS, "status_code")
EXPLICIT_PATH = (*PATH, "path")

# --- What else is read ---------------------------------------------------------------------------
DEPLOYMENT = ("deployment.type", "deployment_type", "deployment.environment.name", "deployment.environment")
FUNCTION = ("code.function.name", "code.function")  # in which it happened; without its module in NAMESPACE
NAMESPACE = "code.namespace"
PAGE = "page.path"  # stored as a template that is computed here, never copied
PAGE_ROUTE = ("page.route", ROUTE, "url.template", "next.route")  # templates by what they mean
PAGE_PATH = (
    *(PAGE, "page_path", "$pathname", "pathname", "url.path", "path", "$current_url", "current_url"),
    *("url.full", "http.url", "http.target", "page.url", "page_url", "page", "route"),
)
PERHAPS_PATHS = ("page", "route")  # or titles, or names of routes

# Routing reads these on the record, else on its resource.
ROUTING = frozenset(
    (
        *KIND,
        *EVENT_NAME,
        *EXPLICIT_EVENT_TYPE,
        *EXPLICIT_FEATURE,
        *EXPLICIT_ACTION,
        *EXPLICIT_METHOD,
        *EXPLICIT_ROUTE,
        *EXPLICIT_STATUS,
        *EXPLICIT_PATH,
        EXCEPTION,
    )
)
# Raw paths differ with every record, and are ignored where there is a route.
RAW_PATHS = frozenset((*EXPLICIT_PATH, *PAGE_PATH)) - {PAGE, *EXPLICIT_ROUTE}
# Attributes that become a column or decide about one. They are never listed as undeclared.
READ = ROUTING.union(
    ID_NAMES,
    DEPLOYMENT,
    PAGE_ROUTE,
    PAGE_PATH,
    (DO_NOT_TRACK, INTERNAL, DURATION, LOG_UID, NAMESPACE, "trace_id", "span_id"),
)
