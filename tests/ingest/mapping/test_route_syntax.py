"""Routes as Django, Flask and Express send them become templates that a reader knows again."""

import pytest

from ingest.mapping.path_templates import MAX_PATH, route_template

DJANGO = [
    ("api/orders/<int:pk>/", "/api/orders/<int:pk>/"),
    (r"^items/(?P<pk>\d+)/$", "/items/{pk}/"),
    (r"api/year/(?P<year>[0-9]{4})/$", "/api/year/{year}/"),
    (r"^kind/(?P<kind>(a|b))/$", "/kind/{kind}/"),
    (r"^by-id/(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3})/x$", "/by-id/{id}/x"),
    (r"^a/^b/(?P<name>[^/]+)\.(?P<format>[a-z0-9]+)/?$", "/a/b/{name}.{format}/"),
    (r"^pages/(?P<slug>[\w-]+)(?:/(?P<page>\d+))?/$", "/pages/{slug}/{page}/"),
    (r"^unnamed/(\d+)/(?:page-(\d+)/)?$", "/unnamed/{id}/page-{id}/"),
    (r"^(?P<language>en|de)/(?:about|help)/$", "/{language}/{id}/"),
    (r"^\Ahelp\.html\Z", "/help.html"),
    (r"^(?!admin)(?P<slug>.+)/$", "/{slug}/"),
    (r"^.*$", "/{id}"),
    ("reports/<int:year>/<slug:name>.pdf", "/reports/<int:year>/{name}.pdf"),
]
FLASK = [
    ("/orders/<int(min=1):order_id>", "/orders/<int:order_id>"),
    ("/<string(length=2):country>/<any(about,help):page>", "/<string:country>/<any:page>"),
    ("/x/<our_converter:thing>", "/x/<thing>"),
    ("/files/<path:name>", "/files/<path:name>"),
]
EXPRESS = [
    (r"/orders/:id(\d+)", "/orders/:id"),
    (r"/orders/:id(\d+|(?:a(b)))/lines", "/orders/:id/lines"),
    ("/orders{/:id}", "/orders/:id"),
    ("/files/*name", "/files/{*name}"),
    ("/files{/*rest}", "/files/{*rest}"),
    ("/from/:from-:to", "/from/{from}-{to}"),
    ("/a/:x,/b/:y", "/a/:x"),
    (r"/^\/re\/(\d+)$/", "/re/{id}"),
    (r"/^\/re\/(?<year>\d+)\/?$/i", "/re/{year}/"),
]
# Nothing literal is less suspicious for being part of an expression.
PERSONAL = [
    ("^users/jane/$", "/users/{id}/"),
    (r"^invite/bob@example\.com/$", "/invite/{id}/"),
    ("/users/jane(doe)", "/users/{id}"),
    ("/x/:jane-doe", "/x/{id}"),
    ("^tasks/4711$", "/tasks/{id}"),
]


@pytest.mark.parametrize(("route", "template"), DJANGO + FLASK + EXPRESS + PERSONAL)
def test_a_route_becomes_a_template(route: str, template: str) -> None:
    assert route_template(route) == template


@pytest.mark.parametrize("start", ["^", "^(?:", "^(?P<a", "^[", "^\\", "/:a(", "{/", "<a(", "^(|"])
def test_an_endless_expression_is_no_trouble(start: str) -> None:
    assert len(route_template(start * MAX_PATH)) < 256
