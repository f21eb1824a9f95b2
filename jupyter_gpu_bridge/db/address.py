"""Where the ledger is: a file of this user, or a team's PostgreSQL. A password in its address is never shown."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE, data_folder

_ADVICE = "Write postgresql://USER@HOST/DATABASE or sqlite:////PATH, or nothing for the file that is used by default."
_UNTOUCHED = "Nothing was rented or ended."


def ledger_address(url: str | None = None) -> Path | URL:
    """The file or the database that is meant; without a URL, what the environment says. Raises `LedgerBroken`."""
    text = url or os.environ.get(LEDGER_VARIABLE)
    if not text:
        return data_folder() / "ledger.db"
    try:
        parsed = make_url(text)
        backend = parsed.get_backend_name()
    except (SQLAlchemyError, ValueError):
        # Not even the scheme is repeated: in a garbled address anything may be the password.
        raise LedgerBroken(
            f"The address of the ledger in {LEDGER_VARIABLE} cannot be read.", billing=_UNTOUCHED, advice=_ADVICE
        ) from None
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return Path(str(parsed.database)).expanduser().absolute()
    raise LedgerBroken(
        "The ledger can be kept in a file by SQLite, or by PostgreSQL, and nowhere else.",
        billing=_UNTOUCHED,
        advice=_ADVICE,
    )


def password_variable() -> str | None:
    """The variable of the environment that holds the ledger's password, if one does. Raises `LedgerBroken`."""
    address = ledger_address()
    if isinstance(address, Path):
        return None
    if address.password is not None or any("password" in option for option in address.query):
        return LEDGER_VARIABLE
    return "PGPASSWORD" if os.environ.get("PGPASSWORD") else None


def shown(address: Path | URL) -> str:
    """For people: neither a password nor any option, which might hold one as well."""
    if isinstance(address, Path):
        return str(address)
    return f"{address.database or ''} on {address.host or address.query.get('host') or 'this computer'}".strip()
