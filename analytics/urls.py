"""The rights of access and erasure, and a person's own page: every path below it is answered alike."""

from django.urls import path

from analytics.access import api
from analytics.access.own_page import own_page
from consent.api import links

OWN_PAGE = links.PATH.removeprefix("/")

urlpatterns = [
    path("api/privacy/export", api.Export.as_view(), name="privacy-export"),
    path("api/privacy/erasure", api.Erasure.as_view(), name="privacy-erasure"),
    path("api/privacy/erasure/<str:erasure>", api.ErasureReceipt.as_view(), name="privacy-erasure-receipt"),
    path(OWN_PAGE, own_page, {"token": ""}),
    path(f"{OWN_PAGE}<path:token>", own_page, name="own-page"),
]
