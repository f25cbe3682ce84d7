"""The active registry: a fact in the operational database, the same for every process.

The files are read when they are brought in: at start (`manage.py migrate`, `up`), by `manage.py
reload_registry`, or with a policy. Broken files, and files that collect more than was published,
leave the old registry active. The gate tells with every request which one is active (`gate.py`).
"""

import logging
from typing import NamedTuple

from django.db import transaction

from consent.gate import barrier
from consent.models import InForce
from consent.policies import publishing
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import Registry, RegistryError, current_registry, from_text

logger = logging.getLogger(__name__)


class NotPublished(Exception):
    """The files collect more than the policy says. `changes` holds what, in sentences."""

    def __init__(self, version: str, found: list[Change]) -> None:
        super().__init__(f"the registry's files collect more than policy version {version} says")
        self.changes = found


class Activation(NamedTuple):
    """What became of the files: their digest, and what is different now."""

    digest: str
    changes: list[Change]


def active_registry() -> Registry:
    """The active registry, asked for in the database, for this process from now on.

    Without one (before the first start) it is the files'. Raises `RegistryError`.
    """
    digest = publishing.in_force().registry_digest
    return adopt(digest) if digest else current_registry()


def working_registry() -> Registry:
    """This process's registry, and the active one where the files are broken. Raises `RegistryError`."""
    try:
        return current_registry()
    except RegistryError as error:
        active = active_registry()
        logger.error("the registry's files are broken, so the active registry goes on: %s", error.mistakes[0])
        return active


def adopt(digest: str) -> Registry:
    """Work with the registry of this digest from now on, or with the one that is active by now."""
    try:
        current = current_registry()
        if current.digest == digest:
            return current
    except RegistryError:  # broken files: what is active goes on
        pass
    text = InForce.objects.filter(pk=1).values_list("registry", flat=True).first()
    if text is None:
        raise RegistryError(["no registry is active: run manage.py migrate"])
    active = from_text(text)
    registry.use(active)
    logger.info("the registry %s is active now", active.digest[:12])
    return active


def bring_in(*, actor: str) -> Activation:
    """Make the files' registry the active one, for every process, before returning.

    Raises `RegistryError` and `NotPublished`, both of which leave the old one active, and
    `BarrierNotReached`: active, but requests that began with the old one may still end. Brought in
    again, it waits again.
    """
    publishing.end_grants()  # where a publication was interrupted
    collected = registry.load(registry.files())
    with transaction.atomic(using="default", durable=True):
        publishing.take_turns()
        published = publishing.last_published()
        if published is None:
            published = publishing.publish_first(collected, actor)
        found = publishing.compare(published, collected)
        if material := [change for change in found if change.is_material]:
            raise NotPublished(published.version, material)
        current = publishing.in_force()
        if current.registry_digest != collected.digest:
            publishing.put_in_force(
                collected, policy_version=current.policy_version, material_since=current.material_since
            )
    registry.use(collected)
    barrier.wait_for_all_ingest()
    return Activation(collected.digest, found)
