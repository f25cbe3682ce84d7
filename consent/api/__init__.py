"""The consent API, and what all addresses of an app or a person share."""
