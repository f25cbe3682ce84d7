"""The report pages: the view and the typed content of each. They show reports after suppression only."""
