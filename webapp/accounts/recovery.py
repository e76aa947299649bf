"""Recovery codes: ten ways back in without the authenticator app, each of which works once."""

from __future__ import annotations

import base64
import secrets

from sqlalchemy import CursorResult, Select, delete, func, select, update
from sqlalchemy.orm import Session

from webapp.accounts import passwords, totp
from webapp.models.factor import RecoveryCode
from webapp.models.user import User
from webapp.runtime import Runtime

COUNT = 10
BYTES = 10  # 80 bits
LENGTH = 16
GROUP = 4


def renew(session: Session, runtime: Runtime, user: User) -> list[str]:
    """Give a person ten new codes in place of all before; they are readable only now. The caller commits."""
    forget(session, user)
    codes = [base64.b32encode(secrets.token_bytes(BYTES)).decode().lower() for _ in range(COUNT)]
    for code in codes:
        session.add(
            RecoveryCode(user_id=user.user_id, hash=passwords.hash_code(code), created_at=runtime.clock.now())
        )
    return ["-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP)) for code in codes]


def use(session: Session, runtime: Runtime, user: User, text: str) -> bool:
    """Use a code up if it is one of the person's; of two at once only one succeeds. The caller commits."""
    code = totp.cleaned(text).lower()
    if len(code) != LENGTH or not code.isascii():
        return False
    for row in session.scalars(_unused(user)):
        if passwords.code_matches(row.hash, code):
            mine = update(RecoveryCode).where(
                RecoveryCode.code_id == row.code_id, RecoveryCode.used_at.is_(None)
            )
            result = session.execute(mine.values(used_at=runtime.clock.now()))
            assert isinstance(result, CursorResult)
            return result.rowcount == 1
    return False


def left(session: Session, user: User) -> int:
    """Count the codes that still work."""
    return session.scalar(select(func.count()).select_from(_unused(user).subquery())) or 0


def forget(session: Session, user: User) -> None:
    """Delete all codes of a person."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.user_id))


def _unused(user: User) -> Select[RecoveryCode]:
    return select(RecoveryCode).where(RecoveryCode.user_id == user.user_id, RecoveryCode.used_at.is_(None))
