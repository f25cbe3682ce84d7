"""The table of exports: each report as rows of columns, which the API and the CSV links hand out."""

from dashboards.api.exports import active_users, endpoints, features, installations, retention

EXPORTS = {
    module.EXPORT.name: module.EXPORT
    for module in (active_users, features, endpoints, retention, installations)
}
