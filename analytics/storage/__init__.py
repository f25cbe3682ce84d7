"""Event rows: written exactly once, and dropped by whole months."""
