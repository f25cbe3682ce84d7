"""The demo of `manage.py up --demo`: data to look at, and somebody who may look."""

import secrets
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command

from telemetry_site.embedded.keys import write_private

NAME = "demo"


def seed_once(data_dir: Path) -> bool:
    """Run `seed_demo` the first time, or again after an interrupted run. Returns whether it ran."""
    marker = data_dir / "demo-data"
    state = marker.read_text() if marker.exists() else ""
    if state == "complete":
        return False
    marker.write_text("begun")
    call_command("seed_demo", if_missing=state != "begun")
    marker.write_text("complete")
    return True


def sign_in(data_dir: Path) -> str:
    """The demo user's password, created once and stored in the data dir; '' if somebody has changed it."""
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
