"""What a process that outlives us is given of our environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from jupyter_gpu_bridge.settings import LEDGER_VARIABLE

_SECRET = re.compile(
    r"^(JPY_|JUPYTERHUB_)|TOKEN|SECRET|PASSWORD|PASSPHRASE|PASSWD|(^|_)PASS(_|$)|PWD.|.PWD"
    r"|API_?KEY|ACCESS_?KEY|CREDENTIAL|PRIVATE",
    re.IGNORECASE,
)
"""In a name; `PWD` alone is a folder, and so is `OLDPWD`."""
_PASSWORD_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s:@]*:[^/?#\s]+@", re.IGNORECASE)

_OF_THE_LEDGER = (LEDGER_VARIABLE, "PGPASSWORD", "LAMBDA_API_KEY", "LAMBDA_CLOUD_API_TOKEN")
"""A warden without them would look into another ledger, and take every machine in it for one that nobody knows; or it
could not end what it has rented."""


def passed_on(*, with_ledger: bool) -> Mapping[str, str]:
    """All but what is secret or belongs to this Jupyter server; with the ledger, also the password to that."""
    return {
        name: value
        for name, value in os.environ.items()
        if (with_ledger and name in _OF_THE_LEDGER) or not is_secret(name, value)
    }


def is_secret(name: str, value: str) -> bool:
    if name == "OLDPWD":
        return False
    return bool(_SECRET.search(name) or _PASSWORD_IN_ADDRESS.search(value))
