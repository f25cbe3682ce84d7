"""`/api/reports/*`: the reports as JSON and CSV, for keys with the scope `reports` and for signed-in staff.

A refusal is `{"error": {"code", "message"}}`, with `parameter` where one is to blame. What was sent
is never repeated in it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from csp.decorators import csp_update
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.report_days import report_today
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import (
    ACTIVITIES,
    DEFINITIONS,
    DEPLOYMENTS,
    METRICS,
    PARAMETERS,
    PRESET_LABELS,
    FilterError,
)
from analytics.reports.sealed_days import last_sealed_day
from analytics.rollups.reading.reader import ReportTimedOut
from consent import keys
from consent.models import Key, Scope
from dashboards.api.exports import EXPORTS, Export, as_csv, as_json, columns_schema, file_name
from ingest.traffic import counting

FORMATS = ("json", "csv")
PAGE_ONLY = {"rows", "print"}  # parameters of the pages that an export link may carry along


class KeyHolder:
    """Who shows a key: an authenticated caller without an account."""

    is_authenticated = True

    def __init__(self, key: Key) -> None:
        self.key = key


class ReportKeyAuthentication(BaseAuthentication):
    """A key of scope `reports`, as a bearer token or in `x-api-key`."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, None] | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "authorization" not in headers and "x-api-key" not in headers:
            return None
        try:
            key = keys.authenticate(headers, Scope.REPORTS)
        except keys.KeyRefused as refused:
            if refused.status == 403:
                raise PermissionDenied(refused.message) from refused
            raise AuthenticationFailed(refused.message) from refused
        counting.note_use(key.pk)
        return KeyHolder(key), None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Candid"'


class ReportKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ReportKeyAuthentication
    name: ClassVar[list[str]] = ["key", "keyHeader"]  # type: ignore[misc]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "A key of scope `reports`."},
            {"type": "apiKey", "in": "header", "name": "x-api-key"},
        ]


class MayReadReports(BasePermission):
    """Keys (their scope was checked), and staff."""

    message = "reports are for staff, and for keys with the scope 'reports'"

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: Any = request.user
        if isinstance(user, KeyHolder):
            return True
        return bool(user and user.is_authenticated and user.is_active and user.is_staff)


class AlwaysJson(BaseContentNegotiation):
    """Answers are JSON unless `format=csv` says otherwise; the parameter is read by the view."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class BadParameter(APIException):
    status_code = 400
    default_code = "bad_parameter"

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class TooSlow(APIException):
    status_code = 503
    default_code = "timed_out"


class DatabaseAway(APIException):
    status_code = 503
    default_code = "unavailable"
    default_detail = "a database does not answer; ask again in a moment"


class ReportView(APIView):
    """One report. `export` says which."""

    export: Export
    authentication_classes = (ReportKeyAuthentication, SessionAuthentication)
    permission_classes = (MayReadReports,)
    content_negotiation_class = AlwaysJson
    http_method_names = ("get", "head", "options")

    def get(self, request: Request) -> HttpResponse | Response:
        query = self._query(request)
        try:
            filters = ReportFilters.from_query(query, today=report_today(), last_sealed=last_sealed_day())
            exported = self.export.make(filters, query)
        except FilterError as error:
            raise BadParameter(error.parameter, str(error)) from error
        except ReportTimedOut as error:
            raise TooSlow(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise DatabaseAway from error
        if query.get("format") == "csv":
            response: HttpResponse | Response = HttpResponse(
                as_csv(self.export, filters, exported), content_type="text/csv; charset=utf-8"
            )
            response["Content-Disposition"] = f'attachment; filename="{file_name(self.export, filters)}"'
        else:
            response = Response(as_json(self.export, filters, exported))
        response["Cache-Control"] = "private, no-store"
        return response

    def _query(self, request: Request) -> dict[str, str]:
        """The parameters, known ones only; a key bound to an organization asks for that one."""
        query: dict[str, str] = request.query_params.dict()
        known = {*PARAMETERS, "format", *self.export.extra, *PAGE_ONLY}
        for name in query:
            if name not in known:
                allowed = ", ".join((*PARAMETERS, "format", *self.export.extra))
                raise BadParameter(
                    "", f"there is a parameter that this report does not know; known: {allowed}"
                )
        if query.get("format", "json") not in (*FORMATS, ""):
            raise BadParameter("format", f"“format” must be one of: {', '.join(FORMATS)}")
        bound = request.user.key.organization if isinstance(request.user, KeyHolder) else ""
        if bound:
            if not self.export.by_organization:
                raise PermissionDenied("this report is not for keys that are bound to an organization")
            if query.get("org", bound) not in (bound, ""):
                raise PermissionDenied("this key may see its own organization only")
            query["org"] = bound
        return query

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        error: dict[str, str] = {"code": "error", "message": "the request was refused"}
        if isinstance(exc, APIException):
            detail: Any = exc.detail
            error = {"code": str(getattr(detail, "code", exc.default_code)), "message": str(detail)}
        if isinstance(exc, BadParameter) and exc.parameter:
            error["parameter"] = exc.parameter
        response.data = {"error": error}
        return response


def _parameters(export: Export) -> list[OpenApiParameter]:
    said: list[tuple[str, str, Mapping[str, str] | None]] = [
        ("range", "the period; a preset ends today", PRESET_LABELS),
        ("from", "first day, with range=custom", None),
        ("to", "last day, with range=custom; today when left out", None),
        ("deployment", "only this deployment type", DEPLOYMENTS),
        ("org", "only this organization: its pseudonym, 32 hexadecimal digits", None),
        ("internal", "1 counts our own use too", {"0": "", "1": ""}),
        ("compare", "0 leaves the previous period out", {"0": "", "1": ""}),
        ("activity", "what makes somebody active", ACTIVITIES),
        ("definition", "which retention", DEFINITIONS),
        ("metric", "which measure of active users", METRICS),
        ("sort", "a column, with - before it for descending", None),
        ("format", "json (default) or csv", dict.fromkeys(FORMATS, "")),
        *((name, "only rows of this name", None) for name in export.extra),
    ]
    return [
        OpenApiParameter(name, str, description=meaning, enum=list(allowed) if allowed else None)
        for name, meaning, allowed in said
    ]


def _document(export: Export) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "report": {"type": "string", "enum": [export.name]},
            "time_zone": {"type": "string"},
            "filters": {"type": "object"},
            "today_is_partial": {"type": "boolean"},
            "sealed_until": {"type": "string", "format": "date", "nullable": True},
            "suppress_below": {"type": "integer"},
            "definitions": {"type": "object", "additionalProperties": {"type": "string"}},
            "rows": {"type": "array", "items": columns_schema(export.columns)},
        },
        "required": ["report", "time_zone", "filters", "today_is_partial", "definitions", "rows"],
    }


ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "parameter": {"type": "string"},
            },
            "required": ["code", "message"],
        }
    },
    "required": ["error"],
}


def report_view(export: Export) -> Any:
    """The view of one report, with its documentation."""
    name = "".join(word.title() for word in export.name.split("-"))
    view: type[ReportView] = type(f"{name}View", (ReportView,), {"export": export, "__doc__": export.title})
    documented = extend_schema(
        operation_id=f"reports_{export.name.replace('-', '_')}",
        summary=export.title,
        description="Groups of few people are hidden: their cells read “<N” or “hidden”. What went with "
        "dropped events reads “not kept”. Definitions travel with the answer. CSV has the same columns "
        "as `rows`.",
        tags=["reports"],
        parameters=_parameters(export),
        responses={
            200: OpenApiResponse(_document(export)),
            400: OpenApiResponse(ERROR, "a parameter that cannot be used"),
            401: OpenApiResponse(ERROR, "no key, or an unknown one"),
            403: OpenApiResponse(ERROR, "a key without the scope, or not of this organization"),
            503: OpenApiResponse(ERROR, "the report took too long, or a database does not answer"),
        },
    )
    return extend_schema_view(get=documented)(view).as_view()


@method_decorator(csp_update({"img-src": ["data:"]}), name="dispatch")  # the arrows in Swagger's style sheet
class Documentation(SpectacularSwaggerSplitView):
    """Swagger UI, from our own static files; its start-up script is an address of its own."""

    template_name = "dashboards/api_docs.html"


REPORT_VIEWS = {name: report_view(export) for name, export in EXPORTS.items()}
