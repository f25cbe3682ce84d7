"""Roll-ups read for reports, and kept in memory between them."""
