"""Addresses of the rights of access and erasure, and of a person's own page.

The own page answers every path below its address, so that a malformed link gets the same answer as a bad one.
"""

from django.urls import path

from analytics.access import api
from analytics.access.own_page import own_page
from consent.api import links

OWN_PAGE = links.PATH.removeprefix("/")

urlpatterns = [
    path("api/privacy/export", api.ExportView.as_view(), name="privacy-export"),
    path("api/privacy/erasure", api.ErasureView.as_view(), name="privacy-erasure"),
    path(
        "api/privacy/erasure/<str:erasure>", api.ErasureReceiptView.as_view(), name="privacy-erasure-receipt"
    ),
    path(OWN_PAGE, own_page, {"token": ""}),
    path(f"{OWN_PAGE}<path:token>", own_page, name="own-page"),
]
