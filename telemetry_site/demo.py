"""The demo of `manage.py up --demo`: data to look at, and somebody who may look."""

import secrets
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands

from telemetry_site.embedded.keys import write_private

NAME = "demo"


def seed_once(data_dir: Path) -> bool:
    """Run `seed_demo` the first time; whether it ran. One that was interrupted runs again."""
    marker = data_dir / "demo-is-seeded"
    if marker.exists() or "seed_demo" not in get_commands():
        return False
    call_command("seed_demo")
    marker.touch()
    return True


def sign_in(data_dir: Path) -> str:
    """The demo user's password, made once and kept in the data dir; '' when somebody has changed it."""
    path = data_dir / "demo-password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(12))
    password = path.read_text()
    users = get_user_model().objects
    user = users.filter(username=NAME).first()
    if user is None:
        users.create_superuser(username=NAME, password=password)
        return password
    return password if user.check_password(password) else ""
