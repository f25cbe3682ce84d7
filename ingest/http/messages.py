"""What the edges of ingest over HTTP and its rules exchange: a request's head, and an answer."""

from dataclasses import dataclass
from typing import NamedTuple

from consent.api.do_not_track import Headers, asks_not_to_be_tracked
from consent.keys import CREDENTIAL_HEADERS
from consent.models import Key
from ingest.otlp import status
from ingest.sentry import addresses
from ingest.sentry.credentials import sent_key
from ingest.traffic import prometheus

DRY_RUN_HEADER = "x-telemetry-dry-run"
IN_ADDRESS = "address"  # a credential, so that `RecentKeys` does not take a header for an address


@dataclass(slots=True)
class ExportRequest:
    """One request: what its head says, and its key once it is known."""

    method: str
    signal: str  # 'traces', 'logs', 'metrics' or 'sentry'
    encoding: str  # its media type if that is one of OTLP's two, else ''; what Sentry's address says
    coding: str  # Content-Encoding, lower-case
    length: str  # Content-Length as sent
    credentials: dict[str, str]  # the headers that may hold its key, its origin, and `IN_ADDRESS`
    do_not_track: bool
    origin: str
    accepted_coding: str
    measure: prometheus.RequestMeasure
    dry_run: str = ""  # the header X-Telemetry-Dry-Run, lower-case
    key: Key | None = None
    is_admitted: bool = False  # whether its key has been looked up for this very request

    @property
    def key_is_in_address(self) -> bool:
        """Whether its key stood in the address, where proxies may log it."""
        return IN_ADDRESS in self.credentials


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


def read_sentry_head(method: str, encoding: str, headers: Headers, query: str) -> ExportRequest:
    """The same for an address of a DSN, whose key has places of its own."""
    request = read_head(method, addresses.SIGNAL, headers)
    request.encoding = encoding
    key = sent_key(headers, query)
    if key.text:
        request.credentials["authorization"] = f"Bearer {key.text}"
    if key.is_in_address:
        request.credentials[IN_ADDRESS] = "1"
    return request
