"""What runs before Django's own middleware has looked at a request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from telemetry_site import health, metrics

OPERATORS = {"/health": health.health, "/ready": health.ready, "/metrics": metrics.metrics}


def operators_first(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer `/health`, `/ready` and `/metrics` by whatever name the server was called.

    Orchestrators and Prometheus ask by address, which is in no `ALLOWED_HOSTS`; nothing in these
    answers depends on it.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        view = OPERATORS.get(request.path_info)
        return view(request) if view else get_response(request)

    return answer
