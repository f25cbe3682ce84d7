"""The active registry: the same for every process, because it is kept in the operational database.

The registry's files are read at start (`manage.py migrate`, `up`), by `manage.py reload_registry`, and when a
policy is published. If they are broken, or collect more than was published, the old registry stays active.
The gate says with every request which registry is active (`gate/gate.py`).
"""

import logging
from typing import NamedTuple

from django.db import transaction

from consent.gate import barrier
from consent.models import InForce
from consent.policies.in_force import in_force, lock_against_grants, put_in_force
from consent.policies.publishing import publish_first
from consent.policies.stale_grants import end_grants
from consent.policies.versions import changes_since, last_published
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import Registry, RegistryError, current_registry, from_text

logger = logging.getLogger(__name__)


class NotPublished(Exception):
    """The files collect more than the policy says. `changes` holds the material changes."""

    def __init__(self, version: str, material: list[Change]) -> None:
        super().__init__(f"the registry's files collect more than policy version {version} says")
        self.changes = material


class Activation(NamedTuple):
    """The digest of the activated registry, and what it changes since the policy was published."""

    digest: str
    changes: list[Change]


def active_registry() -> Registry:
    """The active registry, read from the database. This process uses it from now on.

    Before the first start there is none, and the files' registry is used. Raises `RegistryError`.
    """
    digest = in_force().registry_digest
    return adopt(digest) if digest else current_registry()


def working_registry() -> Registry:
    """This process's registry, or the active one if the files are broken. Raises `RegistryError`."""
    try:
        return current_registry()
    except RegistryError as error:
        active = active_registry()
        logger.error("the registry's files are broken; the active registry stays: %s", error.mistakes[0])
        return active


def adopt(digest: str) -> Registry:
    """Use the registry with this digest from now on, or whichever is active by the time it is read."""
    try:
        current = current_registry()
        if current.digest == digest:
            return current
    except RegistryError:  # the files are broken, the active registry is not
        pass
    text = InForce.objects.filter(pk=1).values_list("registry", flat=True).first()
    if text is None:
        raise RegistryError(["no registry is active: run manage.py migrate"])
    active = from_text(text)
    registry.use(active)
    logger.info("the registry %s is active now", active.digest[:12])
    return active


def bring_in(*, actor: str) -> Activation:
    """Activate the files' registry. When this returns, every process filters by it.

    Raises `RegistryError` and `NotPublished`, both with the old registry still active, and
    `BarrierNotReached`: active, but requests that began with the old one may still store events. Call again
    to wait again.
    """
    end_grants()  # completes an interrupted publication
    collected = registry.load(registry.files())
    with transaction.atomic(using="default", durable=True):
        lock_against_grants()
        published = last_published() or publish_first(collected, actor)
        changes = changes_since(published, collected)
        if material := [change for change in changes if change.is_material]:
            raise NotPublished(published.version, material)
        current = in_force()
        if current.registry_digest != collected.digest:
            put_in_force(
                collected, policy_version=current.policy_version, material_since=current.material_since
            )
    registry.use(collected)
    barrier.wait_for_all_ingest()
    return Activation(collected.digest, changes)
