"""The reports: typed rows, read from roll-ups; `suppression` is the last step before anybody sees them."""
