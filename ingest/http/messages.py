"""What the edges of OTLP over HTTP and its rules exchange: a request's head, and an answer."""

from dataclasses import dataclass
from typing import NamedTuple

from consent.api.do_not_track import Headers, asks_not_to_be_tracked
from consent.keys import CREDENTIAL_HEADERS
from consent.models import Key
from ingest.otlp import status
from ingest.traffic import prometheus

DRY_RUN_HEADER = "x-telemetry-dry-run"


@dataclass(slots=True)
class ExportRequest:
    """One request: what its head says, and its key once it is known."""

    method: str
    signal: str  # 'traces', 'logs' or 'metrics'
    encoding: str  # its media type if that is one of OTLP's two, else ''
    coding: str  # Content-Encoding, lower-case
    length: str  # Content-Length as sent
    credentials: dict[str, str]  # the headers that may hold its key, and its origin
    do_not_track: bool
    origin: str
    accepted_coding: str
    measure: prometheus.RequestMeasure
    dry_run: str = ""  # the header X-Telemetry-Dry-Run, lower-case
    key: Key | None = None
    is_admitted: bool = False  # whether its key has been looked up for this very request


class ExportAnswer(NamedTuple):
    """Status, headers and body, for either edge to send."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def media_type_of(headers: Headers) -> str:
    """The media type if it is one of OTLP's two, else ''. Case and parameters do not count."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type if media_type in (status.JSON, status.PROTOBUF) else ""


def read_head(method: str, signal: str, headers: Headers) -> ExportRequest:
    """What the rules need of a request's head. Refuses nothing; begins to measure the request."""
    return ExportRequest(
        method=method,
        signal=signal,
        encoding=media_type_of(headers),
        coding=headers.get("content-encoding", "").strip().lower(),
        length=headers.get("content-length", "").strip(),
        credentials={name: headers.get(name, "") for name in CREDENTIAL_HEADERS},
        do_not_track=asks_not_to_be_tracked(headers),
        origin=headers.get("origin", ""),
        accepted_coding=headers.get("accept-encoding", ""),
        measure=prometheus.RequestMeasure("http", signal),
        dry_run=headers.get(DRY_RUN_HEADER, "").strip().lower(),
    )
