"""Sealing: reducing a report day to counts, when a month that it touches is dropped."""

from analytics.rollups.sealing.days import days_touching, seal

__all__ = ["days_touching", "seal"]
