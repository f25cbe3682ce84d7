"""The processes that answer: ports, bridge to Django, supervisor."""
