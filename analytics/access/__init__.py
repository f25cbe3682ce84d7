"""The right of access: what is stored about a subject, for an app, an admin or the person."""
