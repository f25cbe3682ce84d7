"""`/api/schema/`: the description of every API. Making it takes a second, so a process makes it once.

It depends on the code, and on the dimensions of the active registry, which are parameters of the reports: not
on who asks, and not on the settings.
"""

import threading
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from analytics.reports.dimensions import dimension_names
from analytics.reports.parameters import LONGEST_VALUE, NOT_REPORTED, in_words
from analytics.rollups.layout import OTHER
from dashboards.api.exports import EXPORTS

GENERATOR: Any = SchemaGenerator  # untyped

REPORTS = "/api/reports/"

_texts: dict[type[BaseRenderer], tuple[tuple[str, ...], str | bytes]] = {}
_making = threading.Lock()


class SchemaView(SpectacularAPIView):
    """As YAML or JSON: by `Accept`, or `?format=json`."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *_: Any, **__: Any) -> HttpResponse:
        renderer = type(request.accepted_renderer)
        return HttpResponse(
            _text(renderer),
            content_type=renderer.media_type,
            headers={
                "Content-Disposition": f'inline; filename="Candid.{renderer.format}"',
                "Cache-Control": "max-age=300",
            },
        )


def _text(renderer: type[BaseRenderer]) -> str | bytes:
    dimensions = dimension_names()
    with _making:  # whoever asks meanwhile waits, and does not make it again
        known = _texts.get(renderer)
        if known is None or known[0] != dimensions:
            schema = _with_dimensions(GENERATOR().get_schema(public=True), dimensions)
            known = _texts[renderer] = dimensions, renderer().render(schema, renderer_context={})
        return known[1]


def _with_dimensions(schema: Any, dimensions: tuple[str, ...]) -> Any:
    """The schema with a parameter for each dimension that a report can be filtered by."""
    for name, export in EXPORTS.items():
        parameters = schema["paths"][f"{REPORTS}{name}"]["get"]["parameters"]
        parameters += [
            {
                "in": "query",
                "name": dimension,
                "schema": {"type": "string", "maxLength": LONGEST_VALUE},
                "description": f"only events with this {in_words(dimension)}; {NOT_REPORTED} where it was "
                f"not reported, {OTHER} beyond the most frequent values",
            }
            for dimension in dimensions
            if export.report.dimensions is None or dimension in export.report.dimensions
        ]
    return schema
