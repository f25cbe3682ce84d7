"""Addresses of the pages. Reports as JSON and CSV: `dashboards/api/urls.py`."""

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.generic import RedirectView

from dashboards.sign_in import ThrottledForm
from dashboards.views import first_event, overview, pipeline, privacy, reports

sign_in = auth_views.LoginView.as_view(authentication_form=ThrottledForm, redirect_authenticated_user=True)
pages = [
    path("", overview.overview, name="overview"),
    path("active-users/", reports.active_users, name="active-users"),
    path("features/", reports.features, name="features"),
    path("features/<path:name>/", reports.feature, name="feature"),
    path("endpoints/", reports.endpoints, name="endpoints"),
    path("endpoints/detail/", reports.endpoint, name="endpoint"),
    path("retention/", reports.retention, name="retention"),
    path("installations/", reports.installations, name="installations"),
    path("pipeline/", pipeline.pipeline, name="pipeline"),
    path("first-event/", first_event.first_event, name="first-event"),
    path("first-event/arrivals/", first_event.arrival_panel, name="arrivals"),
]

urlpatterns = [
    path("", include("dashboards.api.urls")),
    path("", RedirectView.as_view(pattern_name="dashboards:overview"), name="root"),
    path("favicon.ico", RedirectView.as_view(url=settings.STATIC_URL + "dashboards/mark.svg")),
    path("dashboards/", include((pages, "dashboards"))),
    path("privacy/", privacy.privacy, name="privacy"),
    path("accounts/login/", sign_in, name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
]
