"""`manage.py reload_registry`: makes changed files of the registry active, in every process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent.gate.barrier import BarrierNotReached
from consent.policies.activation import NotPublished, bring_in
from consent.registry.registry import RegistryError


class Command(BaseCommand):
    help = "Make the registry's files the active registry. What collects more needs publish_policy."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = bring_in(actor="manage.py reload_registry")
        except RegistryError as error:
            said = ["The files are broken, and what was active stays so:", *error.mistakes]
            raise CommandError("\n- ".join(said)) from error
        except NotPublished as error:
            said = [f"Nothing was changed: {error}.", *(change.text for change in error.changes)]
            raise CommandError("\n- ".join(said) + "\nPublish it: manage.py publish_policy") from error
        except BarrierNotReached as error:
            raise CommandError(f"Active, but {error}. Run it again.") from error
        for change in done.changes:
            self.stdout.write(f"- since the policy was published: {change.text}")
        self.stdout.write(f"The active registry is {done.digest}.")
