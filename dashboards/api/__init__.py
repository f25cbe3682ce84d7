"""The report API, and exports."""
