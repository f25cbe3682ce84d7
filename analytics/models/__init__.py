"""Every table of the analytics database, by subject. Import the classes from here."""

from analytics.models.customers import CustomerAnalytics, CustomerHeartbeat, License
from analytics.models.events import EndpointUsage, Event, FeatureUsage, UserActivity
from analytics.models.installations import Installation, InstallationEvent
from analytics.models.jobs import DroppedPartition, JobRun, SentHeartbeat
from analytics.models.rollups import Group, InternalUse, Mark, Member, RolledDay, RollUp
from analytics.models.seen_with import SeenWith

__all__ = [
    "CustomerAnalytics",
    "CustomerHeartbeat",
    "DroppedPartition",
    "EndpointUsage",
    "Event",
    "FeatureUsage",
    "Group",
    "Installation",
    "InstallationEvent",
    "InternalUse",
    "JobRun",
    "License",
    "Mark",
    "Member",
    "RollUp",
    "RolledDay",
    "SeenWith",
    "SentHeartbeat",
    "UserActivity",
]
