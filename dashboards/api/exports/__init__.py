"""The table of exports: each report as rows and columns, for the API and its CSV."""

from dashboards.api.exports import (
    active_users,
    endpoints,
    errors,
    features,
    installations,
    retention,
    timings,
)

EXPORTS = {
    module.EXPORT.name: module.EXPORT
    for module in (active_users, features, endpoints, retention, installations, errors, timings)
}
