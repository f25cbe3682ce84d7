"""Customers: their licences, what their instances report, and the users of their organizations."""
