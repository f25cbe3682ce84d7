"""What an instance starts with: the active registry, the first policy, the admin's groups, the roles' grants.

`migrate` sets them up once the tables exist, and so does each start of `manage.py up`.
"""

import logging
from typing import Any

from django.apps import AppConfig, apps
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.models.signals import post_migrate

from consent.gate.barrier import BarrierNotReached
from consent.models import InForce
from consent.policies.activation import NotPublished, bring_in
from consent.policies.in_force import in_force
from consent.registry.registry import RegistryError
from postgres import locks
from telemetry_site.embedded import grants
from telemetry_site.groups import make_groups

logger = logging.getLogger(__name__)


def after_migrate(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Runs once for each database, when all apps have their tables and permissions."""
    notified = [config for config in apps.get_app_configs() if config.models_module is not None]
    if sender is not notified[-1]:
        return
    if "plan" in kwargs:  # of a migration; `flush` sends this signal too, and changes no table
        _grant(using)
    if using == "default" and _has_tables():
        make_groups()
        bring_in_files()


def _grant(alias: str) -> None:
    """Tell the roles of the embedded PostgreSQL what they may do in each table, if there are such roles."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(grants.HAS_ROLES)
        if cursor.fetchone() != (True,):
            return
        cursor.execute(locks.TAKE, locks.GRANTING)
        present = connections[alias].introspection.table_names(cursor)
        for statement in grants.statements(alias, present):
            cursor.execute(statement)


def _has_tables() -> bool:
    """False after migrating back to a version without these tables."""
    return InForce._meta.db_table in connections["default"].introspection.table_names()


def bring_in_files() -> None:
    """Activate the registry's files. If they are broken, the earlier registry stays active.

    Raises `CommandError` if there is none yet.
    """
    try:
        bring_in(actor="manage.py migrate")
    except RegistryError as error:
        if not in_force().registry_digest:
            lines = ["The registry's files are broken:", *error.mistakes]
            raise CommandError("\n- ".join(lines)) from error
        for mistake in error.mistakes:
            logger.error("%s", mistake)
        logger.error("the registry's files are broken: the earlier registry stays active")
    except NotPublished as unpublished:
        for change in unpublished.changes:
            logger.warning("not published: %s", change.text)
        logger.warning("%s, so the earlier registry stays active: manage.py publish_policy", unpublished)
    except BarrierNotReached as error:
        logger.warning("the registry is active, but %s", error)


def connect() -> None:
    post_migrate.connect(after_migrate, dispatch_uid="candid")
