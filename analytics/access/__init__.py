"""The rights of access and erasure: what is stored about a subject, for an app, an admin or the person."""
