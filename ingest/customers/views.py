"""What customers' collectors send as JSON: licence checks, heartbeats, daily analytics.

Errors are `{"error": {"code", "message"}}`, with `parameter` where one is to blame; nothing that was
sent is repeated in them, nor in a log. The rules of what is kept are `analytics/customers/reports.py`'s.
"""

import json
import logging
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.customers import reports
from analytics.partitions import oldest_kept_month
from consent import keys
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.models import Key, Scope
from consent.policies.event_lifetime import months_kept
from consent.pseudonyms import MAX_ID, NO_ID, pseudonym
from consent.registry.attributes import as_text
from ingest.load.body import BodyRefused, read_body
from ingest.mapping.identity import FUTURE
from ingest.traffic import counting

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
KEY_HEADERS = ("authorization", "x-api-key")
Day = date  # where `date` is a field's name


class Refused(APIException):
    """The request is answered with an error. DRF turns `auth_header` and `wait` into headers."""

    def __init__(self, status: int, code: str, message: str, parameter: str = "") -> None:
        super().__init__(message, code)
        self.status_code = status
        self.parameter = parameter
        if status == 401:
            self.auth_header = 'Bearer realm="Candid"'
        if status == 503:
            self.wait = 2  # seconds


# --- What is sent ----------------------------------------------------------------------------------
class CustomerId(serializers.CharField):
    """An organization's raw id, read as ingest reads it in events: numbers are written out."""

    def to_internal_value(self, sent: Any) -> str:
        text = as_text(sent)
        return super().to_internal_value(sent if text is None else text)


class CustomerReport(serializers.Serializer[Any]):
    customer_id = CustomerId(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=MAX_ID,
        help_text="The organization, as its events name it; only its pseudonym is kept. "
        "A key bound to an organization supplies it, and refuses another.",
    )


class Heartbeat(CustomerReport):
    timestamp = serializers.DateTimeField(help_text="ISO 8601; without a zone it is UTC.")
    metrics = serializers.DictField(help_text="Names and finite numbers; anything else is dropped.")

    def validate_timestamp(self, timestamp: datetime) -> datetime:
        now = timezone.now()
        if timestamp > now + FUTURE:
            raise ValidationError("is more than 24 hours ahead")
        if timestamp < (oldest := oldest_kept()):
            raise ValidationError(f"is before {oldest:%F}, the oldest day that is kept")
        return timestamp


class Analytics(CustomerReport):
    date = serializers.DateField(help_text="The day it is about, ISO 8601.")
    analytics = serializers.DictField(help_text="Names and finite numbers; anything else is dropped.")

    def validate_date(self, day: Day) -> Day:
        if day > timezone.now().date() + timedelta(days=1):
            raise ValidationError("is after tomorrow (UTC)")
        if day < (oldest := oldest_kept().date()):
            raise ValidationError(f"is before {oldest}, the oldest day that is kept")
        return day


class LicenseCheck(serializers.Serializer[Any]):
    license_key = serializers.CharField(
        required=False, allow_null=True, help_text="In place of the header, for collectors that send it here."
    )


def oldest_kept() -> datetime:
    return oldest_kept_month(timezone.now(), months_kept()).starts_at


# --- What is answered ------------------------------------------------------------------------------
class TermsAnswer(serializers.Serializer[Any]):
    valid = serializers.BooleanField()
    customer_name = serializers.CharField()
    entitlements = serializers.DictField()
    expires_at = serializers.DateTimeField(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())


class RecordedAnswer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["stored", "replaced", "unchanged", "not_kept"])
    kept = serializers.IntegerField(help_text="Numbers kept.")
    dropped = serializers.IntegerField(help_text="Entries that were not kept; `warnings` say why.")
    warnings = serializers.ListField(child=serializers.CharField())


ERROR = {"type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"]}
ERRORS = {
    400: OpenApiResponse(ERROR, "something is missing or out of bounds; `message` names it and the limit"),
    401: OpenApiResponse(ERROR, "no key, or an unknown one"),
    403: OpenApiResponse(ERROR, "a key without the scope `heartbeat`, or of another organization"),
    413: OpenApiResponse(ERROR, f"a body larger than {MAX_BODY_BYTES} bytes"),
    503: OpenApiResponse(ERROR, "a database is away; send the same again"),
}
AUTH: Any = [{"key": []}, {"keyHeader": []}]


class VendorView(APIView):
    """A POST of JSON with a licence key, whatever its Content-Type and Accept say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ["post"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return JSONRenderer(), JSONRenderer.media_type

    def handle_exception(self, exc: Exception) -> Response:
        refused = _refusal(exc)
        response = super().handle_exception(refused)
        if isinstance(refused, APIException):
            error = {"code": _code_of(refused), "message": str(refused.detail)}
            if parameter := getattr(refused, "parameter", ""):
                error["parameter"] = parameter
            response.data = {"error": error}
        return response


class ValidateLicense(VendorView):
    @extend_schema(
        operation_id="validate_license",
        summary="Is this licence key valid, and what does it entitle to?",
        description="An unknown, revoked or expired key is answered with 200 and `valid: false`.",
        tags=["vendor"],
        auth=AUTH,
        request=LicenseCheck,
        responses={200: TermsAnswer} | ERRORS,
    )
    def post(self, request: Request) -> Response:
        now = timezone.now()
        terms = _terms(request, _checked(LicenseCheck, request), now)
        seconds = settings.LICENSE_CACHE_TTL_SECONDS
        if terms.expires_at is not None:
            seconds = min(seconds, int((terms.expires_at - now).total_seconds()))
        believed = f"private, max-age={seconds}" if terms.valid else "no-store"
        return Response(TermsAnswer(terms).data, headers={"Cache-Control": believed})


class TelemetryHeartbeat(VendorView):
    @extend_schema(
        operation_id="telemetry_heartbeat",
        summary="A customer's metrics of one moment",
        description="Once per customer and timestamp: the same again changes nothing, other numbers replace.",
        tags=["vendor"],
        auth=AUTH,
        request=Heartbeat,
        responses={200: RecordedAnswer} | ERRORS,
    )
    def post(self, request: Request) -> Response:
        key = _key(request)
        report = _checked(Heartbeat, request)
        recorded = reports.record_heartbeat(
            organization=_organization(report, key),
            timestamp=report["timestamp"],
            metrics=report["metrics"],
            do_not_track=asks_not_to_be_tracked(request.headers),
        )
        return Response(recorded._asdict())


class TelemetryAnalytics(VendorView):
    @extend_schema(
        operation_id="telemetry_analytics",
        summary="A customer's analytics of one day",
        description="Once per customer and day: the same again changes nothing, other numbers replace.",
        tags=["vendor"],
        auth=AUTH,
        request=Analytics,
        responses={200: RecordedAnswer} | ERRORS,
    )
    def post(self, request: Request) -> Response:
        key = _key(request)
        report = _checked(Analytics, request)
        recorded = reports.record_analytics(
            organization=_organization(report, key),
            day=report["date"],
            analytics=report["analytics"],
            do_not_track=asks_not_to_be_tracked(request.headers),
        )
        return Response(recorded._asdict())


def _terms(request: Request, check: dict[str, Any], now: datetime) -> reports.Terms:
    """The terms of the key that is shown. Raises `Refused` when none is, or one for something else."""
    shown = any(request.headers.get(name) for name in KEY_HEADERS)
    try:
        key = _key(request, {} if shown else {"x-api-key": check.get("license_key") or ""})
    except keys.KeyRefused as refused:
        if refused.status == 401 and (shown or check.get("license_key")):
            return reports.no_terms(refused.message)
        raise
    return reports.terms_of(key, now=now)


def _key(request: Request, instead: dict[str, str] | None = None) -> Key:
    headers = instead or {name: request.headers.get(name, "") for name in KEY_HEADERS}
    key = keys.authenticate(headers, Scope.HEARTBEAT)
    counting.note_use(key.pk)
    return key


def _checked(wanted: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The body, read within bounds and checked. Raises `BodyRefused`, `Refused` and `ValidationError`."""
    body = read_body(request._request, limit=MAX_BODY_BYTES)
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Refused(400, "malformed", "the body is not JSON") from None
    if not isinstance(sent, dict):
        raise Refused(400, "malformed", "the body is not a JSON object")
    serializer = wanted(data=sent)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _organization(report: dict[str, Any], key: Key) -> str:
    """The pseudonym of the organization that a report is about. Raises `Refused`, `PermissionDenied`."""
    raw = (report.get("customer_id") or "").strip()
    named = "" if raw.lower() in NO_ID else pseudonym("organization", raw)
    if key.organization and named not in ("", key.organization):
        raise PermissionDenied("this key belongs to another organization")
    if not (named or key.organization):
        raise Refused(
            400, "bad_parameter", "“customer_id” is missing, and this key has no organization", "customer_id"
        )
    return named or key.organization


def _refusal(error: Exception) -> Exception:
    """The error as the sender is told of it; one that is not theirs stays what it is."""
    if isinstance(error, keys.KeyRefused):
        return Refused(error.status, "no_key" if error.status == 401 else "wrong_scope", error.message)
    if isinstance(error, BodyRefused):
        return Refused(error.status, "bad_body", error.message)
    if isinstance(error, ValidationError):
        said = {name: " ".join(map(str, reasons)) for name, reasons in dict(error.detail).items()}  # type: ignore[arg-type]
        message = "; ".join(f"“{name}”: {reasons}" for name, reasons in said.items())
        return Refused(400, "bad_parameter", message, next(iter(said)))
    if isinstance(error, DatabaseError):
        logger.warning("the vendor side is unavailable: %s", type(error).__name__)
        return Refused(503, "unavailable", "storage is unavailable; send the same again")
    return error


def _code_of(refused: APIException) -> str:
    return str(getattr(refused.detail, "code", refused.default_code))
