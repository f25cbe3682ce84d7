"""The definitions of what reports count, in the words of pages, API and documentation."""

DEFINITIONS = {
    "active_user": "A person is active on a day when we accepted at least one event of theirs that day.",
    "active_user_login": "A person is active on a day when we accepted at least one sign-in that day.",
    "dau": "Distinct people active on the day.",
    "wau": "Distinct people active in the 7 days that end on the day.",
    "mau": "Distinct people active in the 28 days that end on the day. 28 rather than a calendar month, "
    "so that every point has the same mix of weekdays.",
    "stickiness": "Mean daily active users of 28 days, divided by the people active in those 28 days.",
    "feature_adoption": "Distinct people who used the feature in the period, and their share of the people "
    "active in the same segment and period.",
    "endpoint_performance": "Requests, mean, percentiles of the duration (each within 1 %), and the share "
    "answered with a status of 500 or above, per endpoint and method.",
    "retention": "Of the people first seen in this period whose seven days are over, the share active on any "
    "of days 1 to 7 after the first.",
    "retention_login_window": "Of the people who signed in for the first time in this period and whose seven "
    "days are over, the share who signed in again within the next 7 × 24 hours.",
    "retention_curve": "Of the people whose day N is over, the share active on that day, and on it or later.",
    "cohorts": "Each row is everyone first seen in that week. Cells are the share of them active at least "
    "once in that later week.",
    "installations": "An installation is active on a day when it sent at least one base event (its first "
    "sighting or a heartbeat) in the 7 days that end on it. Of the filters by dimension only "
    "those for version and platform apply: to what the installation reported last.",
    "sessions": "A session lasts from its first to its last event.",
    "errors": "Distinct people who met an error, and how often it occurred, per error type and place: "
    "feature uses and requests that name an error type.",
    "error_place": "The function that was named with the error, else the feature (and action), else the "
    "endpoint's method and template.",
    "error_seen": "First and last seen: the first and the last day of the period on which enough people met "
    "the error, or only requests that name nobody.",
    "timings": "Calls, mean, and percentiles of the duration (each within 1 %), per feature (and action) "
    "whose uses say how long they took.",
    "timing_memory": "Mean memory in megabytes, of the calls that say how much they took.",
    "today": "Today is not over: it is shown as “so far” and left out of headlines and comparisons.",
    "dimensions": "With filters by dimensions (such as app or environment) only events count that have all "
    "of these values. “{none}” is what was not reported; “{other}” is what is beyond the 50 most frequent "
    "values of a day. A person is new within the filters if their first day anywhere has such an event, and "
    "came back if a later day has one. Another sign-in counts whatever its values are.",
    "sealed": "Days whose events were dropped keep their totals, without small groups.",
    "suppression": "Groups of fewer people than the threshold are hidden, and so is what would reveal them.",
}
