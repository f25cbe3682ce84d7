"""The right of access: what is held of a subject, for an app, an admin or the person."""
