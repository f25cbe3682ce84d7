"""What all addresses for keys of scope `consent` share: the key, its rate limit, the subject, the body.

Raw ids come in headers or in the body; all later code sees their pseudonyms only. An error depends on the key
and on the form of the request, never on whether a subject is known.
"""

import json
import logging
from datetime import timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from consent import keys
from consent.api import rate_limits
from consent.api.errors import ApiError, JsonErrorView
from consent.api.sent_ids import ID_FIELDS, ID_HEADERS, is_named, sent_pseudonyms
from consent.decisions.recording import BarrierNotReached, DecisionRefused
from consent.models import Key, Scope, SubjectKind

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
WINDOW = 5  # seconds over which requests are counted
NOTE_USE_EVERY = timedelta(minutes=1)


class KeyedView(JsonErrorView):
    """JSON in, JSON out, whatever Content-Type and Accept say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ["get", "put", "post"]
    most = 0  # requests of one key in `seconds`; 0: the key's own limit, else CONSENT_REQUESTS_PER_SECOND
    seconds = WINDOW
    key: Key

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key_headers = {name: request.headers.get(name, "") for name in keys.CREDENTIAL_HEADERS}
        self.key = keys.authenticate(key_headers, Scope.CONSENT)
        _note_use(self.key)
        rate_limits.spend(self._counted_as(), most=self.most or per_window(self.key), seconds=self.seconds)
        if request.META.get("QUERY_STRING"):
            raise ApiError(
                400, "bad_address", "this address takes no query; send ids in headers or in the body"
            )

    def _counted_as(self) -> str:
        return f"{type(self).__name__ if self.most else 'consent'} {self.key.pk}"

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return JSONRenderer(), JSONRenderer.media_type

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_api_error(exc))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finalized = super().finalize_response(request, response, *args, **kwargs)
        finalized["Cache-Control"] = "private, no-store"
        return finalized

    def subject(self, request: Request, kind: SubjectKind, body: dict[str, Any] | None = None) -> str:
        """The pseudonym of the request's subject. Raises `ApiError` when none is named."""
        if pseudonym := self.named(request, kind, body):
            return pseudonym
        field, header = ID_FIELDS[kind], ID_HEADERS[kind]
        raise ApiError(400, "no_subject", f"no {kind}: name it in the header {header} or as “{field}”", field)

    def one_subject(self, request: Request, body: dict[str, Any] | None = None) -> tuple[SubjectKind, str]:
        """Kind and pseudonym of the only subject named; a bound key alone names none. Raises `ApiError`."""
        kinds = [kind for kind in SubjectKind if is_named(request, kind, body)]
        if len(kinds) != 1:
            fields = " or ".join(f"“{field}”" for field in ID_FIELDS.values())
            problem = "two subjects" if kinds else "no subject"
            raise ApiError(400, "no_subject", f"{problem}: name one, as {fields} or in its header")
        return kinds[0], self.subject(request, kinds[0], body)

    def named(self, request: Request, kind: SubjectKind, body: dict[str, Any] | None = None) -> str:
        """The pseudonym that the request names, '' for none. Raises `ApiError`.

        A key bound to an organization speaks for that organization only. It speaks for no user, because a
        user's id does not tell which organization the user belongs to.
        """
        if kind == SubjectKind.USER and self.key.organization:
            raise ApiError(403, "bound_key", "this key speaks for its organization only, not for users")
        pseudonyms = sent_pseudonyms(request, kind, body)
        if kind == SubjectKind.ORGANIZATION and self.key.organization:
            if pseudonyms - {self.key.organization}:
                raise ApiError(403, "bound_key", "this key speaks for its own organization only")
            return self.key.organization
        if len(pseudonyms) > 1:
            raise ApiError(
                400, "two_subjects", f"header and body name two different {kind}s", ID_FIELDS[kind]
            )
        return pseudonyms.pop() if pseudonyms else ""


def per_window(key: Key) -> int:
    """Requests of a key in one window; 0 for no limit."""
    limit = key.requests_per_second
    return WINDOW * (settings.CONSENT_REQUESTS_PER_SECOND if limit is None else limit)


def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, {} for an empty body. Raises `ApiError`."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > MAX_BODY_BYTES:
        raise ApiError(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        body = json.loads(request._request.body or b"{}", object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise ApiError(400, "malformed", "the body is not JSON, or names a field twice") from None
    if not isinstance(body, dict):
        raise ApiError(400, "malformed", "the body is not a JSON object")
    return body


def as_api_error(error: Exception) -> Exception:
    """The error as the caller may see it; an error that is not meant for callers is returned unchanged."""
    if isinstance(error, keys.KeyRefused):
        return ApiError(error.status, error.reason, error.message)
    if isinstance(error, rate_limits.TooOften):
        return ApiError(429, "rate_limited", str(error), wait=error.again_after)
    if isinstance(error, BarrierNotReached):
        return ApiError(503, "not_certain", f"recorded, but {error}; send the same request again", wait=2)
    if isinstance(error, DecisionRefused):
        return ApiError(409, "refused", str(error))
    if isinstance(error, DatabaseError | psycopg.Error):
        logger.warning("the consent API is unavailable: %s", type(error).__name__)
        return ApiError(503, "unavailable", "a database does not answer; send the same request again", wait=2)
    return error


def _note_use(key: Key) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > NOTE_USE_EVERY:
        keys.note_use([key.pk], now)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON allows a field to appear twice, and parsers disagree about which of the two counts."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError
    return fields
