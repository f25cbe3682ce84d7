"""Hostile words, numbers and names, of which hostile bodies are made."""

import random
import string

from ingest.mapping.aliases import PAGE_PATH, ROUTING
from tests.support.faults.records import ORGANIZATION, USERS, user

# fmt: off
ODD_TEXTS = (
    "", " ", "\u0000", "a\u0000b", "\ud800", "\udfff\ud800", "\uffff", "\U0010ffff", "\u202e\u200b",
    "\ufeff", "é" * 300, "x" * 5000, "%00", "../../etc/passwd", "';DROP TABLE x;--", "{}", "[]", "null",
    "NaN", "\\u0000", "1" * 400, "١٢٣", "-1", "1e999", "0x10", "١" * 40, "\r\nX: y", "a/b/c",
    "/a//b/../{id}?q=1#f", "http://[::1", "https://user:pw@h:99999/p?q", "/" * 300, "/a" * 200, "{" * 200,
    ":" * 100, "jane@example.com", "::ffff:1", "203.0.113.77", "4111111111111111", "eyJhbGciOi.J9.x",
    "None", "undefined", "true", "GET", "QUERY", "page.view", "login", "error.x", "a.b.c.d.e.f", ".",
    "..", "$", "$pageview", "base_telemetry.heartbeat", "analytics.login", "base_telemetry.first_seen",
    "session.start", "cloud", "self_hosted", "on", "off", "1.2.3", "Linux", "UTC", "2026-11-23T00:00:00Z",
    "feature_usage", "endpoint_usage", "user_activity", "performance", "exception",
)
# fmt: on
ODD_INTEGERS = (
    *(0, 1, -1, 2, 99, 200, 404, 599, 600, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53, 2**53 + 1),
    *(2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**64), 10**30, 10**400, -(10**19)),
)
ODD_NUMBERS = (
    0.0,
    -0.0,
    1.5,
    -1.5,
    1e-320,
    1e308,
    1e22,
    0.1 + 0.2,
    float("inf"),
    float("-inf"),
    float("nan"),
)
# fmt: off
KEYS = (
    *sorted(ROUTING | {*PAGE_PATH}),
    "user.id", "user_id", "enduser.id", "identity", "organization.id", "organization_id", "session.id",
    "app.installation.id", "install_id", "log.record.uid", "telemetry.do_not_track", "internal",
    "deployment.type", "deployment.environment", "count", "duration_ms", "duration_seconds", "app_version",
    "service.version", "platform", "os.type", "locale", "timezone", "browser", "error.type", "login_method",
    "metadata.count", "metadata.metadata.count", "", " ", "\u0000", "x" * 300, "é", "__proto__", "a.b", "key",
)
# fmt: on
WORDS = string.ascii_lowercase


def text(choose: random.Random) -> str:
    """An odd text, a plain one, or a run of arbitrary code points."""
    kind = choose.random()
    if kind < 0.5:
        return choose.choice(ODD_TEXTS)
    if kind < 0.8:
        return "".join(choose.choices(WORDS, k=choose.randrange(1, 20)))
    return "".join(chr(choose.randrange(0x11_0000)) for _ in range(choose.randrange(1, 12)))


def plain_text(choose: random.Random) -> str:
    """A text without lone surrogates, which protobuf cannot hold."""
    return text(choose).encode("utf-8", "replace").decode()


def who(choose: random.Random) -> dict[str, str]:
    """The id of a user who has consented."""
    return {"user.id": user(choose.randrange(USERS)), "organization.id": ORGANIZATION}
