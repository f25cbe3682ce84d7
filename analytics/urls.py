"""The page of this floor: a person's own, by a signed link. Every path below is answered alike."""

from django.urls import path

from analytics.own_page import own_page

urlpatterns = [
    path("privacy/mine/", own_page, {"token": ""}),
    path("privacy/mine/<path:token>", own_page, name="own-page"),
]
