"""SECRET_KEY and ID_HASH_KEY for the embedded servers: made once, kept in the data dir, never printed.

Without ID_HASH_KEY no pseudonym could be made again, so the file is written whole and synced before
it gets its name.
"""

import json
import os
import secrets
from pathlib import Path

NAMES = ("SECRET_KEY", "ID_HASH_KEY")


def read_or_make_keys(data_dir: Path) -> dict[str, str]:
    """Both keys by name. If the file may not exist yet, call this under the lease's exclusive lock."""
    path = data_dir / "keys.json"
    if not path.exists():
        write_private(path, json.dumps({name: secrets.token_urlsafe(48) for name in NAMES}))
    keys = json.loads(path.read_text())
    return {name: keys[name] for name in NAMES}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
