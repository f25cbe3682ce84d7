"""`/api/reports/*`: the reports as JSON and CSV, for keys with the scope `reports` and for signed-in staff.

Errors have the form of `consent.api.errors`.
"""

from typing import Any

from csp.decorators import csp_update
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.report_days import report_today
from analytics.reports.dimensions import dimension_names
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import PARAMETERS, FilterError
from analytics.reports.sealed_days import last_sealed_day
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import ReportTimedOut
from consent.api.errors import ApiError, JsonErrorView
from dashboards.api.authentication import KeyHolder, MayReadReports, ReportKeyAuthentication
from dashboards.api.csv_files import as_csv, file_name
from dashboards.api.documents import as_json
from dashboards.api.exports import EXPORTS
from dashboards.api.exports.export import ReportExport
from dashboards.api.openapi import FORMATS, documented

DATABASE_AWAY = "a database does not answer; ask again in a moment"
PAGE_ONLY = {"rows", "print"}  # parameters of pages, which their links to exports may carry along


class AlwaysJson(BaseContentNegotiation):
    """Ignores `Accept`: answers are JSON, or CSV with `format=csv`, which the view reads."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ReportView(JsonErrorView):
    """The view of one report: that of its `export`."""

    export: ReportExport
    authentication_classes = (ReportKeyAuthentication, SessionAuthentication)
    permission_classes = (MayReadReports,)
    content_negotiation_class = AlwaysJson
    http_method_names = ("get", "head", "options")

    def get(self, request: Request) -> HttpResponse | Response:
        query = self._query(request)
        asked = ReportFilters.from_query(
            query,
            today=report_today(),
            last_sealed=last_sealed_day(),
            whole_weeks=bool(_own_organization(request)),
            dimensions=dimension_names(),
        )
        filters = self.export.report.asked(asked)
        with rollups.reading():  # the report and its parts from one state of the data
            table = self.export.table(filters, query)
        if query.get("format") == "csv":
            response: HttpResponse | Response = HttpResponse(
                as_csv(self.export, filters, table), content_type="text/csv; charset=utf-8"
            )
            response["Content-Disposition"] = f'attachment; filename="{file_name(self.export, filters)}"'
        else:
            response = Response(as_json(self.export, filters, table))
        response["Cache-Control"] = "private, no-store"
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """Also for what happens before `get`: the caller's key or session is looked up in a database."""
        return super().handle_exception(_as_api_error(exc))

    def _query(self, request: Request) -> dict[str, str]:
        """The parameters, checked. A bound key gets the report on its own organization only."""
        query: dict[str, str] = request.query_params.dict()
        told = (*PARAMETERS, *dimension_names(), "format", *self.export.extra)
        if not {*told, *PAGE_ONLY}.issuperset(query):
            allowed = ", ".join(told)
            raise _bad_parameter("", f"this report does not know one of the parameters; it knows: {allowed}")
        if query.get("format", "json") not in (*FORMATS, ""):
            raise _bad_parameter("format", f"“format” must be one of: {', '.join(FORMATS)}")
        bound = _own_organization(request)
        if bound:
            if not self.export.report.by_organization:
                raise PermissionDenied("this report is not for keys that are bound to an organization")
            if query.get("org", bound) not in (bound, ""):
                raise PermissionDenied("this key may see its own organization only")
            query["org"] = bound
        return query


def _own_organization(request: Request) -> str:
    """The pseudonym of the organization that the caller's key is bound to; '' for others."""
    return request.user.key.organization if isinstance(request.user, KeyHolder) else ""


def _as_api_error(error: Exception) -> Exception:
    """The error as the caller may see it; one that is not meant for callers is returned unchanged."""
    if isinstance(error, FilterError):
        return _bad_parameter(error.parameter, str(error))
    if isinstance(error, ReportTimedOut):
        return ApiError(503, "timed_out", str(error))
    if isinstance(error, OperationalError | InterfaceError):
        return ApiError(503, "unavailable", DATABASE_AWAY)
    return error


def _bad_parameter(parameter: str, message: str) -> ApiError:
    return ApiError(400, "bad_parameter", message, parameter)


@method_decorator(csp_update({"img-src": ["data:"]}), name="dispatch")  # the arrows in Swagger's style sheet
class Documentation(SpectacularSwaggerSplitView):
    """Swagger UI, from our own static files; its start-up script is an address of its own."""

    template_name = "dashboards/api_docs.html"


def report_view(export: ReportExport) -> Any:
    """The view of one report, with its documentation."""
    name = "".join(word.title() for word in export.name.split("-"))
    members = {"export": export, "__doc__": export.report.title}
    view: type[ReportView] = type(f"{name}View", (ReportView,), members)
    return documented(export)(view).as_view()


REPORT_VIEWS = {name: report_view(export) for name, export in EXPORTS.items()}
