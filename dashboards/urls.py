"""Addresses of the pages. Reports as JSON and CSV: `dashboards/api_urls.py`."""

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.generic import RedirectView

from dashboards import first_event, overview, pipeline, privacy, views
from dashboards.sign_in import ThrottledForm

sign_in = auth_views.LoginView.as_view(authentication_form=ThrottledForm, redirect_authenticated_user=True)
pages = [
    path("", overview.overview, name="overview"),
    path("active-users/", views.active_users, name="active-users"),
    path("features/", views.features, name="features"),
    path("features/<path:name>/", views.feature, name="feature"),
    path("endpoints/", views.endpoints, name="endpoints"),
    path("endpoints/detail/", views.endpoint, name="endpoint"),
    path("retention/", views.retention, name="retention"),
    path("installations/", views.installations, name="installations"),
    path("pipeline/", pipeline.pipeline, name="pipeline"),
    path("first-event/", first_event.first_event, name="first-event"),
    path("first-event/arrivals/", first_event.arrival_panel, name="arrivals"),
]

urlpatterns = [
    path("", include("dashboards.api_urls")),
    path("", RedirectView.as_view(pattern_name="dashboards:overview"), name="root"),
    path("favicon.ico", RedirectView.as_view(url=settings.STATIC_URL + "dashboards/mark.svg")),
    path("dashboards/", include((pages, "dashboards"))),
    path("privacy/", privacy.privacy, name="privacy"),
    path("accounts/login/", sign_in, name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
]
