"""`/api/schema/`: the description of every API. Making it takes a second, so a process makes it once.

It depends on nothing but the code: not on who asks, and not on the settings.
"""

import threading
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

GENERATOR: Any = SchemaGenerator  # untyped

_texts: dict[type[BaseRenderer], str | bytes] = {}
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
    with _making:  # whoever asks meanwhile waits, and does not make it again
        if renderer not in _texts:
            _texts[renderer] = renderer().render(GENERATOR().get_schema(public=True), renderer_context={})
        return _texts[renderer]
