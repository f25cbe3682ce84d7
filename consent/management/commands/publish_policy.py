"""`manage.py publish_policy FILE`: publishes a policy together with the registry that it is about."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consent.gate.barrier import BarrierNotReached
from consent.policies import publishing
from consent.policies.publishing import PolicyRefused, Publication
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import RegistryError


class Command(BaseCommand):
    help = "Publish a policy. Earlier grants are stale from then on, unless it is --editorial."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own `--version`, which prints Django's, gives way to ours.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="the text, UTF-8 (default: as it was)")
        parser.add_argument(
            "--version", dest="policy_version", default="", help="default: one more than the last"
        )
        parser.add_argument(
            "--editorial",
            action="store_true",
            help="wording only: grants stay (refused when more is collected)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what it would change, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = Path(options["file"]).read_text(encoding="utf-8") if options["file"] else None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read as text") from error
        try:
            if options["dry_run"]:
                self._tell()
                return
            published = publishing.publish(
                text=text,
                version=options["policy_version"],
                editorial=options["editorial"],
                actor="manage.py publish_policy",
            )
        except RegistryError as error:
            said = ["The registry's files are broken, and nothing was published:", *error.mistakes]
            raise CommandError("\n- ".join(said)) from error
        except PolicyRefused as error:
            said = [f"Nothing was published: {error}.", *(change.text for change in error.changes)]
            raise CommandError("\n- ".join(said)) from error
        except BarrierNotReached as error:
            raise CommandError(f"Published, but {error}. To make sure: manage.py reload_registry") from error
        self._report(published)

    def _tell(self) -> None:
        found = publishing.compare(publishing.last_published(), registry.load(registry.files()))
        self._list(found)
        is_material = any(change.is_material for change in found)
        kind = "Material" if is_material else "No more is collected: it may be --editorial"
        granted = publishing.granted()
        self.stdout.write(
            f"{kind}. A material version would make {granted.users} grants of users and "
            f"{granted.organizations} of organizations stale."
        )

    def _report(self, published: Publication) -> None:
        self._list(published.changes)
        policy = published.policy
        if policy.is_material:
            said = (
                f"Published version {policy.version}. {published.stale_users} grants of users and "
                f"{published.stale_organizations} of organizations are stale until they are given again."
            )
        else:
            said = f"Published version {policy.version}, an editorial change: grants stay."
        self.stdout.write(said)

    def _list(self, found: list[Change]) -> None:
        for change in found:
            self.stdout.write(f"- {'material' if change.is_material else 'no more'}: {change.text}")
