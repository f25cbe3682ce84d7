"""What all addresses for keys of scope `consent` have in common: who may, how often, for whom.

Ids come in headers or in the body, as the app knows them, and only their pseudonyms go on from here. A
refusal is `{"error": {"code", "message"}}`, with `parameter` where one is to blame. It depends on the
key and on the form of the request, never on whether a subject is known; what was sent is not repeated.
"""

import json
import logging
from datetime import timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent import keys
from consent.api import rate_limits
from consent.decisions.recording import BarrierNotReached, DecisionRefused
from consent.models import Key, Scope, SubjectKind
from consent.pseudonyms import MAX_ID, NO_ID, pseudonym
from consent.registry.attributes import as_text

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
WINDOW = 5  # seconds over which requests are counted
USE_IS_NOTED_EVERY = timedelta(minutes=1)
KEY_HEADERS = ("authorization", "x-api-key", "origin")
ID_HEADERS = {SubjectKind.USER: "X-User-Id", SubjectKind.ORGANIZATION: "X-Organization-Id"}
ID_FIELDS = {SubjectKind.USER: "user_id", SubjectKind.ORGANIZATION: "organization_id"}


class Refused(APIException):
    """The request is answered with an error. DRF turns `auth_header` and `wait` (seconds) into headers."""

    def __init__(
        self, status: int, code: str, message: str, parameter: str = "", *, wait: int | None = None
    ) -> None:
        super().__init__(message, code)
        self.status_code = status
        self.parameter = parameter
        if status == 401:
            self.auth_header = 'Bearer realm="Candid"'
        if wait is not None:
            self.wait = wait


class KeyedView(APIView):
    """JSON in, JSON out, whatever Content-Type and Accept say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ["get", "put", "post"]
    most = 0  # requests in `seconds` of one key; 0: the key's own limit, else CONSENT_REQUESTS_PER_SECOND
    seconds = WINDOW
    key: Key

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        shown = {name: request.headers.get(name, "") for name in KEY_HEADERS}
        self.key = keys.authenticate(shown, Scope.CONSENT)
        _note_use(self.key)
        rate_limits.spend(self._counted_as(), most=self.most or per_window(self.key), seconds=self.seconds)
        if request.META.get("QUERY_STRING"):
            raise Refused(
                400, "bad_address", "nothing is read from the address; ids go into headers or the body"
            )

    def _counted_as(self) -> str:
        return f"{type(self).__name__ if self.most else 'consent'} {self.key.pk}"

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return JSONRenderer(), JSONRenderer.media_type

    def handle_exception(self, exc: Exception) -> Response:
        refused = refusal_of(exc)
        response = super().handle_exception(refused)
        if isinstance(refused, APIException):
            code = str(getattr(refused.detail, "code", refused.default_code))
            error = {"code": code, "message": str(refused.detail)}
            if parameter := getattr(refused, "parameter", ""):
                error["parameter"] = parameter
            response.data = {"error": error}
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Cache-Control"] = "private, no-store"
        return answer

    def subject(self, request: Request, kind: SubjectKind, body: dict[str, Any] | None = None) -> str:
        """The pseudonym of the one whom a request is about. Raises `Refused` when it names none."""
        named = self.named(request, kind, body)
        if named:
            return named
        field, header = ID_FIELDS[kind], ID_HEADERS[kind]
        raise Refused(400, "no_subject", f"no {kind}: name it in the header {header} or as “{field}”", field)

    def one_subject(self, request: Request, body: dict[str, Any] | None = None) -> tuple[SubjectKind, str]:
        """Kind and pseudonym of the one subject that is named; here nobody is supplied. Raises `Refused`."""
        named = [kind for kind in SubjectKind if is_named(request, kind, body)]
        if len(named) != 1:
            fields = " or ".join(f"“{field}”" for field in ID_FIELDS.values())
            said = "two subjects" if named else "no subject"
            raise Refused(400, "no_subject", f"{said}: name one, as {fields} or in its header")
        return named[0], self.subject(request, named[0], body)

    def named(self, request: Request, kind: SubjectKind, body: dict[str, Any] | None = None) -> str:
        """The same, '' when none is named. A key bound to an organization speaks for that one only.

        A user's id does not tell whose user that is: so a bound key speaks for no user at all.
        """
        if kind == SubjectKind.USER and self.key.organization:
            raise Refused(403, "bound_key", "this key speaks for its organization only, not for users")
        sent = _sent_ids(request, kind, body)
        pseudonyms = {_pseudonym(kind, one) for one in sent} - {""}
        if kind == SubjectKind.ORGANIZATION and self.key.organization:
            if pseudonyms - {self.key.organization}:
                raise Refused(403, "bound_key", "this key speaks for its own organization only")
            return self.key.organization
        if len(pseudonyms) > 1:
            raise Refused(400, "two_subjects", f"header and body name two different {kind}s", ID_FIELDS[kind])
        return pseudonyms.pop() if pseudonyms else ""


def is_named(request: Request, kind: SubjectKind, body: dict[str, Any] | None = None) -> bool:
    """Whether a request names a subject of this kind, in whatever way."""
    return any(_pseudonym(kind, sent) for sent in _sent_ids(request, kind, body))


def per_window(key: Key) -> int:
    """Requests of a key in one window; 0 is no limit."""
    own = key.requests_per_second
    return WINDOW * (settings.CONSENT_REQUESTS_PER_SECOND if own is None else own)


def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, {} for an empty body. Raises `Refused`."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > MAX_BODY_BYTES:
        raise Refused(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        sent = json.loads(request._request.body or b"{}", object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise Refused(400, "malformed", "the body is not JSON, or names a field twice") from None
    if not isinstance(sent, dict):
        raise Refused(400, "malformed", "the body is not a JSON object")
    return sent


def refusal_of(error: Exception) -> Exception:
    """The error as the caller is told of it; one that is not theirs stays what it is."""
    if isinstance(error, keys.KeyRefused):
        return Refused(error.status, error.reason, error.message)
    if isinstance(error, rate_limits.TooOften):
        return Refused(429, "rate_limited", str(error), wait=error.again_after)
    if isinstance(error, BarrierNotReached):
        return Refused(503, "not_certain", f"recorded, but {error}; send the same again", wait=2)
    if isinstance(error, DecisionRefused):
        return Refused(409, "refused", str(error))
    if isinstance(error, DatabaseError | psycopg.Error):
        logger.warning("the consent API is unavailable: %s", type(error).__name__)
        return Refused(503, "unavailable", "a database does not answer; send the same again", wait=2)
    return error


def _note_use(key: Key) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USE_IS_NOTED_EVERY:
        keys.note_use([key.pk], now)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a field come twice, and readers differ about which of the two counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _sent_ids(request: Request, kind: SubjectKind, body: dict[str, Any] | None) -> list[Any]:
    """In header and body. Two headers of one name reach us as one, with a comma between."""
    header = request.headers.get(ID_HEADERS[kind], "")
    if not header.isascii() or "," in header:
        field = ID_FIELDS[kind]
        said = (
            f"{ID_HEADERS[kind]} holds one id of ASCII without a comma; others go into the body, as “{field}”"
        )
        raise Refused(400, "bad_id", said, field)
    return [header, (body or {}).get(ID_FIELDS[kind])]


def _pseudonym(kind: SubjectKind, sent: Any) -> str:
    """As ingest reads ids in events: numbers written out, '' for what apps write that have none."""
    text = "" if sent is None else as_text(sent)
    if text is None or len(text) > MAX_ID:
        field = ID_FIELDS[kind]
        raise Refused(
            400, "bad_id", f"“{field}” must be a text or a number of at most {MAX_ID} characters", field
        )
    text = text.strip()
    return "" if text.lower() in NO_ID else pseudonym(kind, text)


# --- For the documentation -------------------------------------------------------------------------
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("code", "message", "parameter")},
            "required": ["code", "message"],
        }
    },
    "required": ["error"],
}
ERRORS = {
    400: OpenApiResponse(ERROR, "something is missing or of the wrong type; `message` names it"),
    401: OpenApiResponse(ERROR, "no key, or an unknown one"),
    403: OpenApiResponse(ERROR, "a key without the scope `consent`, or bound to another organization"),
    429: OpenApiResponse(ERROR, "more than the key may ask; `Retry-After` says when again"),
    503: OpenApiResponse(
        ERROR,
        "`not_certain`: recorded, but events in flight are not ruled out; `unavailable`: a database is away, "
        "and it may not be recorded. Send the same again",
    ),
}
AUTH: Any = [{"key": []}, {"keyHeader": []}]
USER_HEADER = OpenApiParameter(
    "X-User-Id", str, OpenApiParameter.HEADER, description="The user, as events name it."
)
ORGANIZATION_HEADER = OpenApiParameter(
    "X-Organization-Id",
    str,
    OpenApiParameter.HEADER,
    description="The organization, as events name it. A key bound to an organization supplies it.",
)
