"""Customers: their licences, what their collectors report, and the users of their organizations."""
