"""Roll-ups built, sealed and cleared of erased subjects."""
