"""`manage.py reload_registry`: activates the registry's changed files, in every process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent.gate.barrier import BarrierNotReached
from consent.policies.activation import NotPublished, bring_in
from consent.registry.registry import RegistryError


class Command(BaseCommand):
    help = "Activate the registry's files. If they collect more, use publish_policy instead."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            activation = bring_in(actor="manage.py reload_registry")
        except RegistryError as error:
            lines = ["The files are broken, and the active registry stays:", *error.mistakes]
            raise CommandError("\n- ".join(lines)) from error
        except NotPublished as error:
            lines = [f"Nothing was changed: {error}.", *(change.text for change in error.changes)]
            raise CommandError("\n- ".join(lines) + "\nPublish it: manage.py publish_policy") from error
        except BarrierNotReached as error:
            raise CommandError(f"Active, but {error}. Run it again.") from error
        for change in activation.changes:
            self.stdout.write(f"- since the policy was published: {change.text}")
        self.stdout.write(f"The active registry is {activation.digest}.")
