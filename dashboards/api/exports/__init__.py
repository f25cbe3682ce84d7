"""The table of exports: each report as rows and columns, for the API and its CSV."""

from dashboards.api.exports import active_users, endpoints, features, installations, retention

EXPORTS = {
    module.EXPORT.name: module.EXPORT
    for module in (active_users, features, endpoints, retention, installations)
}
