"""What Sentry-shaped clients are answered, as their protocol has it: an id, or what was wrong."""

import msgspec

LIMITED = "X-Sentry-Rate-Limits"


def accepted(event_id: str) -> bytes:
    """The body of a 200. An envelope without an event has no id."""
    return msgspec.json.encode({"id": event_id} if event_id else {})


def failure(message: str) -> bytes:
    """The body of a 4xx or 5xx."""
    return msgspec.json.encode({"detail": message, "causes": []})


def limited(headers: dict[str, str], reason: str) -> dict[str, str]:
    """The headers of a refusal that a client may end by waiting: it sends nothing of any kind meanwhile.

    `seconds:categories:scope:reason`; no categories are all of them.
    """
    seconds = headers.get("Retry-After")
    return headers | {LIMITED: f"{seconds}::key:{reason}"} if seconds else headers
