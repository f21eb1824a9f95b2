"""What a process that outlives us is given of our environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jupyter_gpu_bridge.keys import variables, with_withdrawn
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE

_SECRET = re.compile(
    r"^(JPY_|JUPYTERHUB_)|TOKEN|SECRET|PASSWORD|PASSPHRASE|PASSWD|(^|_)PASS(_|$)|PWD.|.PWD"
    r"|API_?KEY|ACCESS_?KEY|CREDENTIAL|PRIVATE",
    re.IGNORECASE,
)
"""In a name; `PWD` alone is a folder, and so is `OLDPWD`."""
_PASSWORD_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s:@]*:[^/?#\s]+@", re.IGNORECASE)

_OF_THE_LEDGER = (LEDGER_VARIABLE, "PGPASSWORD")
"""A warden without them would look into another ledger, and take every machine in it for one that nobody knows."""


def passed_on(*, with_ledger: bool) -> Mapping[str, str]:
    """All but what is secret or belongs to this Jupyter server.

    With the ledger, also the password to that, and the keys of the accounts that pay for what is written there.
    """
    keys = variables()
    return {
        name: value
        for name, value in with_withdrawn().items()
        if (with_ledger and (name in _OF_THE_LEDGER or name in keys)) or not (name in keys or is_secret(name, value))
    }


def is_secret(name: str, value: str) -> bool:
    if name == "OLDPWD":
        return False
    return bool(_SECRET.search(name) or _PASSWORD_IN_ADDRESS.search(value))
