"""The nouns of Patchbay: state and invariants, without I/O and without Flask."""

from __future__ import annotations

from webapp.models.alert import AlertChannel, AlertDelivery, AlertRule
from webapp.models.audit import AuditEntry
from webapp.models.base import Base, UTCDateTime
from webapp.models.credential import ExpiryReminder, StagedSecret
from webapp.models.factor import AccountLink, RecoveryCode, SecondFactor
from webapp.models.health import HealthCheck, HealthDay, HealthHour, Lease, MonitorSetting, ServiceHealth
from webapp.models.incident import Incident, IncidentEntry
from webapp.models.keystore import KeyJob, KeyProcess
from webapp.models.link import Link, LinkAttempt, LinkTokens, LinkUsage
from webapp.models.log_view import CallReplay, KeptInput, LogView
from webapp.models.maintenance import MaintenanceWindow
from webapp.models.passkey import Passkey
from webapp.models.reconcile import ReconcileItem
from webapp.models.revision import ServiceRevision
from webapp.models.route import Route
from webapp.models.secret import DataKey, Kek, KeystoreMeta, Secret
from webapp.models.service import Service, ThirdPartyServiceConfiguration
from webapp.models.session import SetupToken, Throttle, UserSession
from webapp.models.token import ApiToken
from webapp.models.user import User

__all__ = [
    "AccountLink",
    "AlertChannel",
    "AlertDelivery",
    "AlertRule",
    "ApiToken",
    "AuditEntry",
    "Base",
    "CallReplay",
    "DataKey",
    "ExpiryReminder",
    "HealthCheck",
    "HealthDay",
    "HealthHour",
    "Incident",
    "IncidentEntry",
    "Kek",
    "KeptInput",
    "KeyJob",
    "KeyProcess",
    "KeystoreMeta",
    "Lease",
    "Link",
    "LinkAttempt",
    "LinkTokens",
    "LinkUsage",
    "LogView",
    "MaintenanceWindow",
    "MonitorSetting",
    "Passkey",
    "ReconcileItem",
    "RecoveryCode",
    "Route",
    "SecondFactor",
    "Secret",
    "Service",
    "ServiceHealth",
    "ServiceRevision",
    "SetupToken",
    "StagedSecret",
    "ThirdPartyServiceConfiguration",
    "Throttle",
    "UTCDateTime",
    "User",
    "UserSession",
]
