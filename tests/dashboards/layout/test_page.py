"""Pages and their templates fit: what a template reads, its page's class has."""

from collections.abc import Iterator
from dataclasses import fields

import pytest
from django.template import Node
from django.template.base import FilterExpression, Template, Variable
from django.template.defaulttags import ForNode, WithNode
from django.template.library import SimpleNode
from django.template.loader import get_template
from django.template.loader_tags import ExtendsNode, IncludeNode
from django.urls import get_resolver

from dashboards.layout.page import Page

LAYOUT = {"navigation", "version", "request", "perms", "block", "forloop", "None", "True"}
ASKED_FOR = {"plot", "height", "show_all", "in_ms"}  # includes print these where a page has them


def pages() -> list[type[Page]]:
    get_resolver().url_patterns  # loads every view  # noqa: B018
    found, waiting = [], [Page]
    while waiting:
        waiting += (one := waiting.pop()).__subclasses__()
        found.append(one)
    return [one for one in found if "template" in vars(one)]


def nodes(template: Template) -> Iterator[Node]:
    """Of the template, of what it extends, and of what it includes."""
    for node in template.nodelist.get_nodes_by_type(Node):
        yield node
        name = {IncludeNode: "template", ExtendsNode: "parent_name"}.get(type(node))
        if name:
            yield from nodes(get_template(getattr(node, name).var).template)


def expressions(value: object) -> Iterator[FilterExpression]:
    if isinstance(value, FilterExpression):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from expressions(part)
    elif isinstance(value, dict):
        yield from expressions(list(value.values()))
    elif type(value).__name__ == "TemplateLiteral":
        yield value.value  # type: ignore[attr-defined]
    elif hasattr(value, "first") and hasattr(value, "second"):  # of an {% if %}
        yield from expressions([value.first, value.second])


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.__name__)
def test_a_template_reads_only_what_its_page_has(page: type[Page]) -> None:
    known, read = LAYOUT | ASKED_FOR | {field.name for field in fields(page)}, set()
    for node in nodes(get_template(page.template).template):
        if isinstance(node, ForNode):
            known |= set(node.loopvars)
        if isinstance(node, WithNode | IncludeNode):
            known |= set(node.extra_context)
        if isinstance(node, SimpleNode) and node.target_var:
            known.add(node.target_var)
        conditions = [condition for condition, _ in getattr(node, "conditions_nodelists", [])]
        for expression in expressions([*vars(node).values(), *conditions]):
            if isinstance(expression.var, Variable) and expression.var.lookups:
                read.add(expression.var.lookups[0])
    assert read - known == set()
