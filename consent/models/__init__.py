"""Consent in the database: subjects, decisions, policies, keys and erasures, all keyed by pseudonym."""

from consent.models.choices import DECIDABLE, GRANTABLE, DeploymentType, Level, Method, State, SubjectKind
from consent.models.decisions import ConsentPeriod, Decision, DecisionHead
from consent.models.erasures import ErasureRequest, Tombstone
from consent.models.keys import Key, Scope
from consent.models.policies import InForce, PolicyVersion
from consent.models.subject_views import SubjectView
from consent.models.subjects import Organization, TelemetryUser

__all__ = [
    "DECIDABLE",
    "GRANTABLE",
    "ConsentPeriod",
    "Decision",
    "DecisionHead",
    "DeploymentType",
    "ErasureRequest",
    "InForce",
    "Key",
    "Level",
    "Method",
    "Organization",
    "PolicyVersion",
    "Scope",
    "State",
    "SubjectKind",
    "SubjectView",
    "TelemetryUser",
    "Tombstone",
]
