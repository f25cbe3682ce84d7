"""The reports: typed rows, read from roll-ups; `suppression` is the one last step before anybody sees them."""
