"""Account reports: organizations that let staff see their own totals, however few their people are."""


def organizations_with_account_reports() -> frozenset[str]:
    """The pseudonyms of these organizations."""
    return frozenset()
