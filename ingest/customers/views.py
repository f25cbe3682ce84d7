"""What customers' collectors call, in JSON: licence checks, heartbeats, daily analytics.

`analytics/customers/reports.py` says what is stored of them.
"""

import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.customers import licences, reports
from consent import keys
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.models import Key, Scope
from consent.pseudonyms import NO_ID, pseudonym
from ingest.customers.errors import ERRORS, MAX_BODY_BYTES, ReportRefused, code_of, refusal_of
from ingest.customers.serializers import (
    Analytics,
    Heartbeat,
    LicenseCheck,
    RecordedAnswer,
    TermsAnswer,
)
from ingest.load.body import read_body
from ingest.traffic import counting

AUTH: Any = [{"key": []}, {"keyHeader": []}]


class VendorView(APIView):
    """A POST of JSON with a licence key, whatever its Content-Type and Accept say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ["post"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return JSONRenderer(), JSONRenderer.media_type

    def handle_exception(self, exc: Exception) -> Response:
        refused = refusal_of(exc)
        response = super().handle_exception(refused)
        if isinstance(refused, APIException):
            error = {"code": code_of(refused), "message": str(refused.detail)}
            if parameter := getattr(refused, "parameter", ""):
                error["parameter"] = parameter
            response.data = {"error": error}
        return response


class ValidateLicense(VendorView):
    @extend_schema(
        operation_id="validate_license",
        summary="Is this licence key valid, and what does it entitle its holder to?",
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
        description="One per customer and timestamp: the same again changes nothing, others replace it.",
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
            reporter=None if key.organization else key.pk,
            do_not_track=asks_not_to_be_tracked(request.headers),
        )
        return Response(recorded._asdict())


class TelemetryAnalytics(VendorView):
    @extend_schema(
        operation_id="telemetry_analytics",
        summary="A customer's analytics of one day",
        description="One per customer and day: the same again changes nothing, others replace it.",
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
            reporter=None if key.organization else key.pk,
            do_not_track=asks_not_to_be_tracked(request.headers),
        )
        return Response(recorded._asdict())


def _terms(request: Request, check: dict[str, Any], now: datetime) -> licences.LicenceTerms:
    """The terms of the key that was sent. Raises `KeyRefused` if there is none, or one without the scope."""
    shown = any(request.headers.get(name) for name in keys.KEY_HEADERS)
    try:
        key = _key(request, {} if shown else {"x-api-key": check.get("license_key") or ""})
    except keys.KeyRefused as refused:
        if refused.status == 401 and (shown or check.get("license_key")):
            return licences.no_terms(refused.message)
        raise
    return licences.terms_of(key, now=now)


def _key(request: Request, instead: dict[str, str] | None = None) -> Key:
    headers = instead or {name: request.headers.get(name, "") for name in keys.KEY_HEADERS}
    key = keys.authenticate(headers, Scope.HEARTBEAT)
    counting.note_use(key.pk)
    return key


def _checked(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The body, read within bounds and checked. Raises the refusal."""
    body = read_body(request._request, limit=MAX_BODY_BYTES)
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ReportRefused(400, "malformed", "the body is not JSON") from None
    if not isinstance(sent, dict):
        raise ReportRefused(400, "malformed", "the body is not a JSON object")
    serializer = kind(data=sent)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _organization(report: dict[str, Any], key: Key) -> str:
    """The pseudonym of the organization that a report is about. Raises the refusal."""
    raw = (report.get("customer_id") or "").strip()
    named = "" if raw.lower() in NO_ID else pseudonym("organization", raw)
    if key.organization and named not in ("", key.organization):
        raise PermissionDenied("this key belongs to another organization")
    if not (named or key.organization):
        raise ReportRefused(
            400, "bad_parameter", "“customer_id” is missing, and this key has no organization", "customer_id"
        )
    return named or key.organization
