"""Where two tables could disagree about an attribute's name: `mapping/aliases.py` and the registry."""

from typing import Any

from django.core import checks

from consent.registry.registry import RegistryError, files, load
from ingest.mapping.aliases import ID_NAMES


@checks.register
def no_id_is_declared(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """An id is only ever stored as a pseudonym. A registry that cannot be read is reported elsewhere."""
    try:
        registry = load(files())
    except RegistryError:
        return []
    return [
        checks.Warning(
            f"The registry declares “{name}” for “{registry.names[name]}”, but it is the name of an id.",
            hint="Take it out of `name` and `also`: ids are stored as pseudonyms, in columns of their own.",
            id="ingest.W001",
        )
        for name in sorted(ID_NAMES & registry.names.keys())
    ]
