"""The OpenAPI description of the report API: parameters, columns and answers of each report."""

from collections.abc import Iterable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from analytics.reports.cells import Withheld
from analytics.reports.parameters import (
    ACTIVITIES,
    DEFINITIONS,
    DEPLOYMENTS,
    METRICS,
    PRESET_LABELS,
)
from consent.api.errors import ERROR
from dashboards.api.exports.export import Column, ReportExport

FORMATS = ("json", "csv")


def _parameters(export: ReportExport) -> list[OpenApiParameter]:
    described: list[tuple[str, str, Mapping[str, str] | None]] = [
        ("range", "the period; a preset ends today", PRESET_LABELS),
        ("from", "first day, with range=custom", None),
        ("to", "last day, with range=custom; today when left out", None),
        ("deployment", "only this deployment type", DEPLOYMENTS),
        ("org", "only this organization: its pseudonym, 32 hexadecimal digits", None),
        ("internal", "1 includes internal use", {"0": "", "1": ""}),
        ("compare", "0 leaves the previous period out", {"0": "", "1": ""}),
        ("activity", "what counts as active", ACTIVITIES),
        ("definition", "which retention", DEFINITIONS),
        ("metric", "which measure of active users", METRICS),
        ("sort", "a column, with - before it for descending", None),
        ("by", "a dimension: rows of errors and timings also by its values, in `by`", None),
        ("format", "json (default) or csv", dict.fromkeys(FORMATS, "")),
        *((name, "only rows with this value", None) for name in export.extra),
    ]
    return [
        OpenApiParameter(name, str, description=meaning, enum=list(allowed) if allowed else None)
        for name, meaning, allowed in described
    ]


def _document(export: ReportExport) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "report": {"type": "string", "enum": [export.name]},
            "time_zone": {"type": "string"},
            "filters": {"type": "object"},
            "today_is_partial": {"type": "boolean"},
            "sealed_until": {"type": "string", "format": "date", "nullable": True},
            "still_counting": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "dimension": {"type": "string"},
                        "days_counted": {"type": "integer"},
                        "days": {"type": "integer"},
                    },
                },
            },
            "suppress_below": {"type": "integer"},
            "definitions": {"type": "object", "additionalProperties": {"type": "string"}},
            "rows": {"type": "array", "items": _columns(export.columns)},
        },
        "required": ["report", "time_zone", "filters", "today_is_partial", "definitions", "rows"],
    }


def _columns(columns: Iterable[Column]) -> dict[str, Any]:
    """The columns as an OpenAPI object."""
    withheld = {"type": "string", "enum": list(map(str, Withheld))}
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "day": {"oneOf": [{"type": "string", "format": "date", "nullable": True}, withheld]},
        "flag": {"type": "boolean"},
        "parts": {"type": "array", "items": {"type": "object"}},
        "count": {"oneOf": [{"type": "integer", "nullable": True}, withheld]},
        "measure": {"oneOf": [{"type": "number", "nullable": True}, withheld]},
    }
    return {
        "type": "object",
        "properties": {
            column.name: {**kinds[column.kind], "description": column.meaning} for column in columns
        },
        "required": [column.name for column in columns],
    }


def documented(export: ReportExport) -> Any:
    """The decorator that documents the view of a report."""
    described = extend_schema(
        operation_id=f"reports_{export.name.replace('-', '_')}",
        summary=export.report.title,
        description="Small groups are hidden: their cells read “<N” or “hidden”. What was not kept when old "
        "events were dropped reads “not kept”. Definitions come with the answer. CSV has the same columns "
        "as `rows`.",
        tags=["reports"],
        parameters=_parameters(export),
        responses={
            200: OpenApiResponse(_document(export)),
            400: OpenApiResponse(ERROR, "a parameter is not valid"),
            401: OpenApiResponse(ERROR, "no key, or not a valid one"),
            403: OpenApiResponse(ERROR, "not staff, or the key lacks the scope or the organization"),
            503: OpenApiResponse(ERROR, "the report took too long, or a database does not answer"),
        },
    )
    return extend_schema_view(get=described)
