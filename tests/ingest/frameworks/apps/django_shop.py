"""A shop on Django, settings included. `identity` is the module of docs/clients/django.md."""

import time
from types import SimpleNamespace

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from opentelemetry import trace

ALLOWED_HOSTS = ["*"]
MIDDLEWARE = ["django_shop.authenticate", "identity.Identify"]
ROOT_URLCONF = "django_shop"
SECRET_KEY = "x" * 50


def authenticate(get_response):
    """In place of AuthenticationMiddleware, which needs a database."""

    def middleware(request):
        user, organization = request.headers.get("X-User"), request.headers.get("X-Organization")
        request.user = SimpleNamespace(pk=user, organization_id=organization, is_authenticated=bool(user))
        return get_response(request)

    return middleware


def order(request, **_):
    with trace.get_tracer("shop").start_as_current_span("query"):
        time.sleep(0.03)
    return HttpResponse()


def broken(request, **_):
    raise ValueError("planted secret")


def page(request, **_):
    return HttpResponse()


def stream(request):
    return StreamingHttpResponse(b"piece" for _ in range(3) if not time.sleep(0.01))


def mistaken(request):
    who = {"user.id": request.headers["X-Mistaken"], "organization.id": request.headers["X-Organization"]}
    with trace.get_tracer("shop").start_as_current_span("work") as span:
        span.set_attributes(who)
    return HttpResponse()


orders = [path("<int:pk>", order), path("<int:pk>/broken", broken)]
urlpatterns = [
    path("api/orders/", include(orders)),
    path("pricing", page),
    path("stream", stream),
    path("mistaken", mistaken),
    re_path(r"^mounted/", include([re_path(r"^items/(?P<pk>\d+)(?:/(?P<part>[a-z]+))?$", page)])),
]
