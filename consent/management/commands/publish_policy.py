"""`manage.py publish_policy FILE`: publishes a policy together with the registry that it describes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consent.gate.barrier import BarrierNotReached
from consent.policies import publishing
from consent.policies.publishing import PolicyRefused, Publication
from consent.policies.versions import changes_since, last_published
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import RegistryError


class Command(BaseCommand):
    help = "Publish a policy. Earlier grants become stale, unless the change is --editorial."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Ours replaces Django's own `--version`, which prints Django's version.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="the text, in UTF-8 (default: that of the last version)")
        parser.add_argument(
            "--version", dest="policy_version", default="", help="default: the last version plus one"
        )
        parser.add_argument(
            "--editorial",
            action="store_true",
            help="a change of wording only: grants stay (refused when more is collected)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = Path(options["file"]).read_text(encoding="utf-8") if options["file"] else None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read as text") from error
        try:
            if options["dry_run"]:
                self._preview()
                return
            published = publishing.publish(
                text=text,
                version=options["policy_version"],
                editorial=options["editorial"],
                actor="manage.py publish_policy",
            )
        except RegistryError as error:
            lines = ["The registry's files are broken, and nothing was published:", *error.mistakes]
            raise CommandError("\n- ".join(lines)) from error
        except PolicyRefused as error:
            lines = [f"Nothing was published: {error}.", *(change.text for change in error.changes)]
            raise CommandError("\n- ".join(lines)) from error
        except BarrierNotReached as error:
            raise CommandError(
                f"Published, but {error}. To make sure, run manage.py reload_registry."
            ) from error
        self._report(published)

    def _preview(self) -> None:
        changes = changes_since(last_published(), registry.load(registry.files()))
        self._list(changes)
        is_material = any(change.is_material for change in changes)
        kind = "Material" if is_material else "Nothing more is collected: it may be --editorial"
        granted = publishing.granted()
        self.stdout.write(
            f"{kind}. A material version would make grants stale: {granted.users} by users, "
            f"{granted.organizations} by organizations."
        )

    def _report(self, published: Publication) -> None:
        self._list(published.changes)
        policy = published.policy
        if policy.is_material:
            message = (
                f"Published version {policy.version}. Grants stale until they are given again: "
                f"{published.stale_users} by users, {published.stale_organizations} by organizations."
            )
        else:
            message = f"Published version {policy.version}, an editorial change: grants stay."
        self.stdout.write(message)

    def _list(self, changes: list[Change]) -> None:
        for change in changes:
            self.stdout.write(f"- {'material' if change.is_material else 'not material'}: {change.text}")
