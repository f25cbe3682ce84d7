"""The nightly self-check: figures of reports, counted again from rows without the roll-ups' code."""
