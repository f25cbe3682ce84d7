"""Switches in a panel's head: links that set one parameter of the report and keep the others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlencode

from analytics.reports.filters import ReportFilters


class SwitchOption(NamedTuple):
    label: str
    address: str
    is_current: bool


class Switch(NamedTuple):
    label: str
    options: list[SwitchOption]


def switch(filters: ReportFilters, label: str, parameter: str, labels: Mapping[str, str]) -> Switch:
    """`labels` names the parameter's values in the order in which they are offered."""
    current = getattr(filters, parameter)
    options = []
    for value, name in labels.items():
        query = replace(filters, **{parameter: value}).query()  # type: ignore[arg-type]
        options.append(SwitchOption(name, "?" + urlencode(query), value == current))
    return Switch(label, options)
