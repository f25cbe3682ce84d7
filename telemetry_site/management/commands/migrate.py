"""`manage.py migrate` for both databases at once; `--database` still chooses one."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import DEFAULT_DB_ALIAS, connections


class Command(MigrateCommand):
    """Django's command, except that it migrates every database by default, not only the first."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        return super().get_check_kwargs(options) | {"databases": chosen(options["database"])}

    def handle(self, *args: Any, **options: Any) -> None:
        """Also with an app label: in the database that is not its own, the router lets nothing be done."""
        aliases = chosen(options.pop("database"))
        for alias in aliases:
            if len(aliases) > 1 and options["verbosity"] > 0:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database {alias}:"))
            super().handle(*args, database=alias, **options)


def chosen(alias: str | None) -> list[str]:
    return [alias] if alias else [DEFAULT_DB_ALIAS, *(set(connections) - {DEFAULT_DB_ALIAS})]
