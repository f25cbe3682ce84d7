"""From a record to a row: routing, names, identity, scrubbing."""
