#!/usr/bin/env python
"""Candid's command line. Without DATABASE_URL it brings its own PostgreSQL and Redis (embedded default)."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
