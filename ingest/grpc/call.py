"""One Export call over gRPC: reads its metadata, and refuses it."""

from collections.abc import Iterable
from typing import Any

import grpc

from consent.api.do_not_track import asks_not_to_be_tracked
from consent.keys import KEY_HEADERS
from ingest.errors import CODES, Failure
from ingest.http.messages import DRY_RUN_HEADER
from ingest.otlp import status
from ingest.reasons import LIMITS
from ingest.traffic import counting, prometheus

STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[Any, Any]


class _Repeated:
    """A call's metadata, where a name may stand several times."""

    def __init__(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        self._pairs = [(name, value) for name, value in metadata if isinstance(value, str)]

    def get_all(self, name: str) -> list[str]:
        return [value for of, value in self._pairs if of == name]

    def get(self, name: str, default: str, /) -> str:
        return next(iter(self.get_all(name)), default)


class ExportCall:
    """One call: what its metadata say, and how it is refused."""

    def __init__(self, signal: str, context: Context) -> None:
        self.signal = signal
        self.context = context
        self.key_id: int | None = None
        self.measure = prometheus.RequestMeasure("grpc", signal)
        self.status = "CANCELLED"  # unless it is answered
        metadata = {name: value for name, value in context.invocation_metadata() or () if type(value) is str}
        self.credentials = {name: metadata.get(name, "") for name in KEY_HEADERS}
        self.dry_run = metadata.get(DRY_RUN_HEADER, "").strip().lower()
        self.do_not_track = asks_not_to_be_tracked(_Repeated(context.invocation_metadata() or ()))

    async def refuse(self, failure: Failure) -> bytes:
        """Count it and abort the call. Never returns."""
        code, retry_after = CODES[failure.code], failure.headers.get("Retry-After")
        metadata: list[tuple[str, str | bytes]] = []
        if retry_after:  # the Python SDK reads the second form only, others the first
            delay = status.retry_info(int(retry_after))
            metadata.append(
                ("grpc-status-details-bin", status.failure_to_retry(code, failure.message, delay))
            )
            metadata.append(("google.rpc.retryinfo-bin", delay))
        reason, self.status = failure.reason, STATUS_CODES[code].name
        try:
            await self.context.abort(STATUS_CODES[code], failure.message, tuple(metadata))
        except grpc.aio.InternalError:
            # gRPC itself refused the message, which is too large, and has already answered.
            reason, self.status = "too_large", "RESOURCE_EXHAUSTED"
            raise
        finally:
            counting.reject(self.key_id, self.signal, reason, transport="grpc", status=self.status)
            if reason in LIMITS:
                prometheus.RATE_LIMITED.labels("grpc", reason).inc()
