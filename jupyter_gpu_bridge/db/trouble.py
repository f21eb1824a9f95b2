"""What a database says when it cannot, as sentences for people."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from jupyter_gpu_bridge.errors import LedgerBroken

BILLING = "What is rented goes on and goes on costing money; nothing new is rented until this is mended."

_GIVE_SPACE = "Free some space there. Machines can still be ended, here and on their providers' websites."
_TRY_AGAIN = "Try again in a moment. If it stays so, end the program that keeps it, or restart Jupyter."
_GIVE_RIGHTS = "Make it writable for you again, or name another one in JUPYTER_GPU_BRIDGE_LEDGER."
_LOOK = "Look on your providers' websites for machines whose names begin with gpu-bridge-, and end them there."
_ASK = "See whether the server runs and can be reached from here."

_OF_SQLITE = (
    ("locked", "is kept busy by another program", _TRY_AGAIN),
    ("readonly", "cannot be written: it, or its folder, is read-only", _GIVE_RIGHTS),
    ("is full", "cannot be written: its disk is full", _GIVE_SPACE),
    ("disk i/o error", "cannot be read or written: its disk is full or broken", _GIVE_SPACE),
    ("malformed", "is damaged", f"Put back a copy of it, if there is one, or move it away. {_LOOK}"),
    ("not a database", "is not a ledger, or is damaged", f"Put back a copy of it, or move it away. {_LOOK}"),
    ("unable to open", "cannot be opened: it, or its folder, is missing, read-only or not yours", _GIVE_RIGHTS),
    ("no such", "has not the tables that it should have", f"Put back a copy of it, or move it away. {_LOOK}"),
)

_OF_POSTGRES = (
    ("55P03", "is kept busy by another program", _TRY_AGAIN),
    ("57014", "is kept busy by another program", _TRY_AGAIN),
    ("40", "is kept busy by another program", _TRY_AGAIN),
    ("25006", "cannot be written: the server is read-only", "Ask whoever runs it."),
    ("53100", "cannot be written: the server's disk is full", _GIVE_SPACE),
    ("53", "is out of resources", _TRY_AGAIN),
    ("28", "does not let you in: the user or the password is wrong", "Correct JUPYTER_GPU_BRIDGE_LEDGER."),
    ("3D", "is not there: the server has no such database", "Have it made, or correct JUPYTER_GPU_BRIDGE_LEDGER."),
    ("42501", "does not allow it to this user", "Have the user given the right to make and change tables there."),
    ("42", "has not the tables that it should have", "Put back a copy of it."),
    ("XX", "is damaged", "Ask whoever runs the server."),
)


@contextlib.contextmanager
def in_plain_words(place: str, secrets: Collection[str] = ()) -> Iterator[None]:
    """Turns what SQLAlchemy raises into `LedgerBroken`; our own mistakes stay what they are."""
    try:
        yield
    except StatementError as error:
        if not isinstance(error, DBAPIError) and error.orig is not None:
            raise error.orig from None
        raise broken(place, error, secrets) from None
    except SQLAlchemyError as error:
        raise broken(place, error, secrets) from None


def broken(place: str, error: Exception, secrets: Collection[str] = ()) -> LedgerBroken:
    """The database's own words are kept as a detail."""
    cause = getattr(error, "orig", None) or error
    what, advice = _found(cause)
    said = " ".join(str(cause).split())
    for secret in secrets:
        said = said.replace(secret, "***")
    return LedgerBroken(
        f"The ledger ({place}) {what}.",
        billing=BILLING,
        advice=advice,
        details={"cause": said},
    )


def _found(cause: BaseException) -> tuple[str, str]:
    if type(cause).__module__.startswith("psycopg"):
        state = getattr(cause, "sqlstate", None) or ""
        for code, what, advice in _OF_POSTGRES if state else ():
            if state.startswith(code):
                return what, advice
        # A refused login has no code either: the connection never came to be.
        if "password" in str(cause) or "authentication failed" in str(cause):
            return next((what, advice) for code, what, advice in _OF_POSTGRES if code == "28")
        if "does not exist" in str(cause):
            return next((what, advice) for code, what, advice in _OF_POSTGRES if code == "3D")
        return "cannot be reached", _ASK
    said = str(cause).casefold()
    for sign, what, advice in _OF_SQLITE:
        if sign in said:
            return what, advice
    return "does not work", _TRY_AGAIN
