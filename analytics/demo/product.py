"""The demo product: its customers, features, endpoints and versions, all invented."""

from typing import NamedTuple


class Customer(NamedTuple):
    label: str
    deployment_type: str  # as in consent.models.DeploymentType
    weight: float  # share of all people
    state: str  # as in consent.models.State
    is_internal: bool = False
    days_late: int = 0  # days from a version's release until it is installed there


CUSTOMERS = (
    Customer("Aldermoor Freight", "cloud", 16, "granted"),
    Customer("Bright Harbour Clinics", "self-hosted", 13, "granted", days_late=24),
    Customer("Calder & Finch", "cloud", 11, "granted", days_late=1),
    Customer("Dunmere Water", "self-hosted", 9, "granted", days_late=44),
    Customer("Eastgate Schools", "cloud", 8, "granted", days_late=1),
    Customer("Fernhill Robotics", "cloud", 7, "granted"),
    Customer("Granite Row Insurance", "cloud", 6, "granted", days_late=2),
    Customer("Hollis Archive", "self-hosted", 5, "granted", days_late=38),
    Customer("Ivybridge Rail", "self-hosted", 4.5, "granted", days_late=16),
    Customer("Juniper Foods", "cloud", 4, "granted", days_late=1),
    Customer("Kestrel Observatory", "unknown", 6, "granted", days_late=9),
    Customer("Lowfield Energy", "cloud", 3, "granted", days_late=2),
    Customer("Marlow Press", "cloud", 2.5, "granted"),
    Customer("Northmoor Library", "self-hosted", 2, "granted", days_late=61),
    Customer("Oakum Shipyard", "cloud", 1.5, "granted"),
    Customer("Pebble Beach Games", "cloud", 1, "granted"),
    Customer("Quillon Legal", "cloud", 0.6, "granted"),
    Customer("Our own instance", "cloud", 2, "granted", is_internal=True),
    Customer("Rookwood Bank", "self-hosted", 0, "denied"),
    Customer("Saltmarsh Council", "self-hosted", 0, "denied"),
    Customer("Thornbury Labs", "cloud", 0, "denied"),
    Customer("Underhill Foundry", "cloud", 0, "unset"),
    Customer("Vale Hospital Trust", "self-hosted", 0, "unset"),
    Customer("Westering Airways", "cloud", 0, "unset"),
)


class Feature(NamedTuple):
    name: str
    actions: tuple[str, ...]
    weight: float  # share of uses
    reach: float  # share of people who ever use it
    growth: float = 0.0  # from -1 (falling out of use) to 1 (taking off)


FEATURES = (
    Feature("test_run", ("started", "finished", "viewed", "cancelled"), 22, 0.92),
    Feature("dashboard", ("viewed",), 17, 0.88),
    Feature("test_set", ("viewed", "created", "updated", "deleted"), 11, 0.80),
    Feature("scheduled_run", ("started", "created", "paused"), 7, 0.38, 0.9),
    Feature("prompt_template", ("created", "updated", "viewed"), 5, 0.47),
    Feature("integration_chat", ("sent", "connected"), 4, 0.26, 0.3),
    Feature("page_view", ("viewed",), 6, 0.95),
    Feature("comment", ("created", "resolved"), 3, 0.31),
    Feature("report_export", ("started", "finished", "failed"), 3, 0.52, 0.4),
    Feature("search", ("used",), 3, 0.63),
    Feature("webhook", ("created", "delivered"), 2, 0.12),
    Feature("bulk_import", ("started", "finished", "failed"), 2, 0.29, -0.2),
    Feature("comparison", ("viewed", "created"), 2, 0.36, 0.6),
    Feature("annotation", ("created", "updated"), 2, 0.24),
    Feature("dataset", ("created", "viewed", "shared"), 2, 0.33),
    Feature("filter_saved", ("created", "used"), 1.5, 0.22),
    Feature("command_palette", ("opened",), 1.5, 0.18, 0.8),
    Feature("keyboard_shortcut", ("used",), 1.2, 0.14),
    Feature("dark_mode", ("switched",), 0.4, 0.28),
    Feature("notification_rule", ("created", "triggered"), 1.0, 0.19),
    Feature("api_token", ("created", "revoked"), 0.5, 0.20),
    Feature("team_invite", ("sent", "accepted"), 0.5, 0.13),
    Feature("role_management", ("updated",), 0.4, 0.07, -0.3),
    Feature("sso", ("configured", "tested"), 0.3, 0.04),
    Feature("usage_report", ("viewed",), 0.5, 0.09),
    Feature("billing", ("viewed", "updated"), 0.3, 0.05),
    Feature("custom_metric", ("created", "viewed"), 0.8, 0.11, 0.5),
    Feature("snapshot", ("created", "restored"), 0.4, 0.06),
    Feature("audit_log", ("viewed",), 0.2, 0.012),
    Feature("legacy_editor", ("opened",), 0.2, 0.004, -0.8),
)


class Endpoint(NamedTuple):
    method: str
    path: str
    weight: float
    p50_ms: float
    p95_ms: float
    error_rate: float
    slower: float = 1.0  # factor on durations of the last twelve days
    anonymous: float = 0.06  # share of requests without a user


ENDPOINTS = (
    Endpoint("GET", "/api/v1/test-runs", 412, 64, 288, 0.0008),
    Endpoint("POST", "/api/v1/test-runs", 232, 148, 612, 0.0061),
    Endpoint("GET", "/api/v1/test-runs/{id}", 204, 41, 176, 0.0005),
    Endpoint("GET", "/api/v1/test-sets", 188, 58, 240, 0.0006),
    Endpoint("POST", "/api/v1/test-runs/{id}/results", 166, 92, 430, 0.0034),
    Endpoint("GET", "/api/v1/dashboard/summary", 148, 248, 1180, 0.0022),
    Endpoint("GET", "/api/v1/users/me", 132, 12, 38, 0.0001),
    Endpoint("PATCH", "/api/v1/test-sets/{id}", 74, 77, 302, 0.0012),
    Endpoint("POST", "/api/v1/reports/export", 51, 890, 4210, 0.0274, slower=1.45),
    Endpoint("GET", "/api/v1/prompts/{id}/versions", 49, 35, 141, 0.0004),
    Endpoint("GET", "/api/v1/datasets", 44, 71, 310, 0.0007),
    Endpoint("GET", "/api/v1/datasets/{id}", 40, 49, 205, 0.0006),
    Endpoint("POST", "/api/v1/datasets", 12, 210, 940, 0.0051),
    Endpoint("GET", "/api/v1/search", 38, 132, 690, 0.0015),
    Endpoint("POST", "/api/v1/imports", 22, 1340, 5120, 0.0118),
    Endpoint("GET", "/api/v1/imports/{id}", 31, 22, 88, 0.0003),
    Endpoint("GET", "/api/v1/comments", 29, 31, 120, 0.0003),
    Endpoint("POST", "/api/v1/comments", 11, 54, 210, 0.0011),
    Endpoint("GET", "/api/v1/notifications", 60, 18, 64, 0.0002),
    Endpoint("POST", "/api/v1/notifications/read", 14, 21, 77, 0.0002),
    Endpoint("GET", "/api/v1/schedules", 21, 39, 150, 0.0004),
    Endpoint("POST", "/api/v1/schedules", 6, 83, 330, 0.0021),
    Endpoint("DELETE", "/api/v1/schedules/{id}", 2, 47, 190, 0.0010),
    Endpoint("GET", "/api/v1/metrics/{id}", 26, 110, 540, 0.0013),
    Endpoint("POST", "/api/v1/metrics", 3, 96, 380, 0.0030),
    Endpoint("GET", "/api/v1/comparisons/{id}", 18, 190, 860, 0.0019, slower=0.8),
    Endpoint("DELETE", "/api/v1/test-sets/{id}", 9, 51, 220, 0.0010),
    Endpoint("GET", "/api/v1/organizations/{id}", 34, 16, 52, 0.0001),
    Endpoint("GET", "/api/v1/organizations/{id}/members", 17, 44, 170, 0.0004),
    Endpoint("POST", "/api/v1/organizations/{id}/invitations", 2, 160, 720, 0.0042),
    Endpoint("GET", "/api/v1/billing/invoices", 3, 140, 480, 0.0016),
    Endpoint("POST", "/api/v1/tokens", 1.5, 66, 240, 0.0009),
    Endpoint("DELETE", "/api/v1/tokens/{id}", 0.8, 40, 160, 0.0009),
    Endpoint("GET", "/api/v1/webhooks", 4, 28, 110, 0.0003),
    Endpoint("POST", "/api/v1/webhooks/{id}/deliver", 5, 330, 1490, 0.0391, anonymous=1.0),
    Endpoint("POST", "/api/v1/sessions", 36, 180, 520, 0.0007, anonymous=0.1),
    Endpoint("DELETE", "/api/v1/sessions", 19, 15, 48, 0.0001),
    Endpoint("GET", "/api/v1/status", 24, 4, 11, 0.0001, anonymous=1.0),
    Endpoint("GET", "/api/v1/snapshots/{id}", 2, 270, 1300, 0.0035),
    Endpoint("GET", "/api/v1/audit-log", 0.3, 96, 610, 0.0035),
)


class DemoError(NamedTuple):
    feature: str
    action: str
    error_type: str
    place: str  # module and function; '' where the app does not say
    share: float  # of the uses of that action
    in_newest: float  # the same in the newest version


FAILURES = (
    DemoError("test_run", "finished", "TimeoutError", "runner.execution.wait_for_result", 0.05, 0.03),
    DemoError("test_run", "started", "ConnectionResetError", "runner.transport.open_session", 0.012, 0.012),
    DemoError("report_export", "failed", "PermissionError", "studio.exports.pdf.render_pages", 0.5, 0.4),
    DemoError("report_export", "failed", "MemoryError", "studio.exports.sheets.write_rows", 0.6, 0.2),
    DemoError("bulk_import", "failed", "UnicodeDecodeError", "studio.imports.csv_files.read_rows", 0.8, 0.8),
    DemoError("bulk_import", "started", "KeyError", "studio.imports.columns.match", 0.03, 0.3),
    DemoError("integration_chat", "sent", "ssl.SSLError", "studio.chat.webhooks.post_message", 0.06, 0.06),
    DemoError("search", "used", "ValueError", "studio.search.parse_query", 0.07, 0.0),
    DemoError("scheduled_run", "started", "OperationalError", "runner.schedule.claim_next", 0.03, 0.03),
    DemoError("comparison", "viewed", "ZeroDivisionError", "studio.comparison.relative_change", 0.0, 0.3),
    DemoError("dataset", "created", "ValidationError", "studio.datasets.columns.check", 0.12, 0.12),
    DemoError("snapshot", "restored", "FileNotFoundError", "studio.snapshots.restore", 0.3, 0.3),
    DemoError("dashboard", "viewed", "TypeError", "", 0.004, 0.03),
)
SERVER_ERRORS = ("OperationalError", "TimeoutError", "KeyError")  # of requests that failed
# Actions that say how long they took: p50 and p95 in milliseconds, and megabytes where they say that, too.
TIMED = {
    ("test_run", "finished"): (41_000.0, 190_000.0, 512.0),
    ("bulk_import", "finished"): (5_200.0, 38_000.0, 340.0),
    ("report_export", "finished"): (2_400.0, 11_000.0, 210.0),
    ("snapshot", "created"): (1_800.0, 7_600.0, 150.0),
    ("comparison", "viewed"): (420.0, 2_100.0, 88.0),
    ("dashboard", "viewed"): (310.0, 1_400.0, 0.0),
    ("search", "used"): (130.0, 690.0, 0.0),
    ("custom_metric", "created"): (95.0, 410.0, 0.0),
}

PAGES = ("/", "/test-runs", "/test-runs/{id}", "/test-sets", "/dashboards/{id}", "/prompts", "/settings")
APPS = ("studio", "runner")
ENVIRONMENTS = ("production", "staging")
VERSIONS = ("2.1.4", "2.2.7", "2.3.5", "2.4.2", "2.5.3", "3.0.1")  # oldest to newest
RELEASED = (108, 92, 64, 37, 11)  # days before the last one on which each came out; the oldest was there
# Pairs of a value and the share of people (below: of installations) who have it. Of some sessions, a share is
# of the second app, or in staging.
PEOPLES_PLATFORMS = (("Windows", 0.52), ("macOS", 0.31), ("Linux", 0.17))
OF_SECOND_APP = ((0.0, 0.58), (0.35, 0.3), (1.0, 0.12))
OF_STAGING = ((0.0, 0.85), (0.3, 0.15))
PLATFORMS = (("Linux", 0.78), ("Windows", 0.14), ("macOS", 0.07), ("FreeBSD", 0.01))
ARCHITECTURES = (("x86_64", 0.74), ("arm64", 0.255), ("riscv64", 0.005))
CHANNELS = (("stable", 0.92), ("beta", 0.08))
