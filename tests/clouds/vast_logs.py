"""The logs of the simulated Vast.ai: put into a store elsewhere, under addresses that are signed, a moment later.

Here it is the same server; it answers as that store does, also to whoever comes with a key of the account.
"""

from __future__ import annotations

import secrets

from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.errors import No
from jupyter_gpu_bridge.sandbox.front import Call
from jupyter_gpu_bridge.sandbox.http import Answer, Request

_NOT_YET = ((403, "AccessDenied"), (404, "NoSuchKey"))
"""What is said of a log that is still on its way, one after the other."""


class Logs:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._texts: dict[str, str] = {}
        """By signature."""
        self._not_yet: dict[str, list[tuple[int, str]]] = {}

    async def request(self, request: Request, call: Call) -> Answer:
        tail = (request.body or {}).get("tail", "1000")
        if not isinstance(tail, str) or not tail.isdigit():
            raise No(400, "invalid_args", "tail is a text of digits")
        lines = self._cloud.console(call.account, call.machine_id).splitlines(keepends=True)
        signature = secrets.token_hex(8)
        self._texts[signature] = "".join(lines[-int(tail) :])
        self._not_yet[signature] = list(_NOT_YET)
        address = f"{self._cloud.address}/logs/{call.machine_id}?X-Amz-Signature={signature}"
        return Answer(200, {"success": True, "result_url": address, "msg": "Logs are on their way."})

    async def text(self, request: Request, call: Call) -> Answer:
        signature = request.query.get("X-Amz-Signature", "")
        if request.headers.get("authorization"):
            return _refused(400, "InvalidArgument")  # one way to prove oneself, not two
        if signature not in self._texts:
            return _refused(403, "SignatureDoesNotMatch")
        if self._not_yet[signature]:
            return _refused(*self._not_yet[signature].pop(0))
        return Answer(200, raw=self._texts[signature].encode(), headers={"Content-Type": "text/plain"})


def _refused(status: int, code: str) -> Answer:
    page = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Answer(status, raw=page.encode(), headers={"Content-Type": "application/xml"})
