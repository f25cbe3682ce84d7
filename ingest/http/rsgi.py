"""granian's RSGI types. Imported here once, because mypy does not see that granian exports them all."""

from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope  # type: ignore[attr-defined]

__all__ = ["HTTPProtocol", "ProtocolClosed", "Scope"]
