"""What a profile may say about environment variables: everything but secrets, because a kernelspec is no safe place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_gpu_bridge.errors import BadRequest

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_SECRET = re.compile(
    r"(TOKEN|KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(_|$)|(^|_)(SECRET|PASSWORD|PASS)", re.IGNORECASE
)
"""At the end of a word of the name: `HF_TOKEN` and `AWS_SECRET_ACCESS_KEY`, but not `TOKENIZERS_PARALLELISM`."""


def check_environment(environment: Sequence[tuple[object, object]]) -> None:
    """Raises `BadRequest`: a kernelspec's metadata is served to every client of the server and is a plain file."""
    for name, value in environment:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise BadRequest(f"{name!r} cannot be the name of an environment variable.")
        if value is None:
            continue
        if not isinstance(value, str) or "\0" in value:
            raise BadRequest(f"The value of the environment variable {name} is not text.")
        if _SECRET.search(name):
            raise BadRequest(
                f"The value of {name} looks like a secret, and a profile is a plain file that Jupyter serves.",
                advice=f"Give the name alone (--env {name}): its value is then taken from your own environment "
                "whenever a kernel starts.",
            )
