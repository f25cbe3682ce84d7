"""The reports: typed rows, exact; `suppression.py` is the one last step before anybody sees them."""
