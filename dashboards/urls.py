"""Addresses of the pages. Those of the report API are in `dashboards.api.urls`."""

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.generic import RedirectView

from dashboards.sign_in import ThrottledForm
from dashboards.views.first_event import arrival_panel, first_event
from dashboards.views.pipeline import pipeline
from dashboards.views.privacy import privacy
from dashboards.views.reports.active_users import active_users
from dashboards.views.reports.endpoints import endpoint, endpoints
from dashboards.views.reports.errors import errors
from dashboards.views.reports.features import feature, features
from dashboards.views.reports.installations import installations
from dashboards.views.reports.overview import overview
from dashboards.views.reports.retention import retention
from dashboards.views.reports.timings import timings

sign_in = auth_views.LoginView.as_view(authentication_form=ThrottledForm, redirect_authenticated_user=True)
pages = [
    path("", overview, name="overview"),
    path("active-users/", active_users, name="active-users"),
    path("features/", features, name="features"),
    path("features/<path:name>/", feature, name="feature"),
    path("endpoints/", endpoints, name="endpoints"),
    path("endpoints/detail/", endpoint, name="endpoint"),
    path("errors/", errors, name="errors"),
    path("timings/", timings, name="timings"),
    path("retention/", retention, name="retention"),
    path("installations/", installations, name="installations"),
    path("pipeline/", pipeline, name="pipeline"),
    path("first-event/", first_event, name="first-event"),
    path("first-event/arrivals/", arrival_panel, name="arrivals"),
]

urlpatterns = [
    path("", include("dashboards.api.urls")),
    path("", RedirectView.as_view(pattern_name="dashboards:overview"), name="root"),
    path("favicon.ico", RedirectView.as_view(url=settings.STATIC_URL + "dashboards/mark.svg")),
    path("dashboards/", include((pages, "dashboards"))),
    path("privacy/", privacy, name="privacy"),
    path("accounts/login/", sign_in, name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
]
