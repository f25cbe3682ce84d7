"""The report API: reports as JSON and CSV, and the documentation of all APIs."""
