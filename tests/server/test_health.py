"""How the providers do in a server: told to who may know it, and to the command of the same user."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import BreakerState, Health
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.bridges import ScriptedBridge
from tests.cli.test_providers import ILL, WELL
from tests.providers.scripted import scripted
from tests.server.test_handlers import Fetch, bridge, refused

__all__ = ["bridge"]

ACTS = ["circuit-breakers/acme/reset", "cache/invalidate"]
API = ("gpu-bridge", "api", "v1")


class WhoLooks(Authorizer):
    """Lets those who have logged in look, and do nothing."""

    may: frozenset[str] = frozenset({"read", "write", "execute"})

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action in self.may


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    server = {"jpserver_extensions": {"jupyter_gpu_bridge": True}, "authorizer_class": WhoLooks}
    return {"ServerApp": {**server, "allow_unauthenticated_access": False}}


# over REST ---------------------------------------------------------------------------------------------------------


async def test_it_tells_what_it_has_seen_and_asks_no_provider_for_that(
    bridge: ScriptedBridge, jp_fetch: Fetch, jp_serverapp: Any
) -> None:
    bridge.well = Health([WELL, ILL])
    before = jp_serverapp.web_app.last_activity()
    answer = await jp_fetch(*API, "health")
    assert json.loads(answer.body) == json.loads(json.dumps(plain.health(bridge.well)))
    assert answer.headers["Cache-Control"] == "no-store"
    assert bridge.done == ["health seen"]
    await jp_fetch(*API, *ACTS[0].split("/"), method="POST", body="")
    assert jp_serverapp.web_app.last_activity() == before


@pytest.mark.parametrize(
    ("path", "body", "done"),
    [
        ("circuit-breakers/acme/reset", "", "reset acme"),
        ("cache/invalidate", "", "forget "),
        ("cache/invalidate", "{}", "forget "),
        ("cache/invalidate", '{"provider": "acme"}', "forget acme"),
    ],
)
async def test_a_provider_is_reset_and_offers_are_forgotten(
    bridge: ScriptedBridge, jp_fetch: Fetch, path: str, body: str, done: str
) -> None:
    answer = await jp_fetch(*API, *path.split("/"), method="POST", body=body)
    assert (answer.code, answer.body, bridge.done) == (204, b"", [done])


@pytest.mark.parametrize("body", ["[]", '"acme"', '{"provider": 1}', '{"provider": null}', "{"])
async def test_what_names_no_provider_is_refused_and_nothing_is_forgotten(
    bridge: ScriptedBridge, jp_fetch: Fetch, body: str
) -> None:
    code, answer = await refused(jp_fetch, "cache", "invalidate", method="POST", body=body)
    assert (code, answer["error"], bridge.done) == (400, "bad-request", [])


async def test_a_provider_that_nobody_knows_is_refused_with_those_near_it(
    bridge: ScriptedBridge, jp_fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(name: str) -> None:
        raise BadRequest(f"There is no provider {name!r}.", advice="Did you mean acme?")

    monkeypatch.setattr(bridge, "reset_provider", nobody)
    code, answer = await refused(jp_fetch, "circuit-breakers", "acm", "reset", method="POST", body="")
    assert (code, answer["advice"]) == (400, "Did you mean acme?")


@pytest.mark.parametrize("act", ACTS)
async def test_strangers_and_those_who_may_only_look_do_nothing(
    bridge: ScriptedBridge, jp_fetch: Fetch, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    wrong = {"Authorization": "token wrong"}
    code, answer = await refused(jp_fetch, *act.split("/"), method="POST", body="", headers=wrong)
    assert (code, answer["error"]) == (403, "forbidden")
    monkeypatch.setattr(WhoLooks, "may", frozenset({"read"}))
    code, answer = await refused(jp_fetch, *act.split("/"), method="POST", body="")
    assert (code, answer["error"]) == (403, "forbidden")
    assert bridge.done == []
    assert (await jp_fetch(*API, "health")).code == 200
    monkeypatch.setattr(WhoLooks, "may", frozenset({"write"}))
    assert (await refused(jp_fetch, "health"))[0] == 403


# by the command, in another process --------------------------------------------------------------------------------


@asynccontextmanager
async def listening(server: Any) -> AsyncIterator[str]:
    """Where the server can be asked by other processes, as Jupyter writes it down."""
    listens = HTTPServer(server.web_app)
    sockets = bind_sockets(0, "127.0.0.1")
    listens.add_sockets(sockets)
    address = f"http://127.0.0.1:{sockets[0].getsockname()[1]}{server.base_url}"
    place = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{os.getpid()}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({**server.server_info(), "url": address, "hostname": "127.0.0.1"}))
    try:
        yield address
    finally:
        listens.stop()
        await listens.close_all_connections()


async def command(*words: str) -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "jupyter_gpu_bridge.cli", "health", *words, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    assert err == b"", err.decode()
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.mark.timeout(60)
async def test_the_command_shows_what_a_server_has_seen_and_resets_it_there(
    own_home: Path, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_CIRCUIT_BREAKER_TIMEOUT", "600")
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_0123456789")
    breaker = gates().conduct("runpod").breakers[Kind.READ]
    for _ in range(5):
        permit = breaker.permit()
        assert permit is not None
        breaker.failed(permit)

    async with scripted(Answer(401, {"message": "no"})) as script, listening(jp_serverapp) as address:
        for name in ("RUNPOD_BASE_URL", "RUNPOD_GRAPHQL_BASE_URL"):
            monkeypatch.setenv(name, script.address)
        status, out = await command()
        assert status == 1
        here, there = out.split(f"\nJupyter server in {jp_serverapp.root_dir} ({address}):\n")
        assert here.startswith("As this command has just asked them:\nPROVIDER")
        assert "read open" in there
        assert "runpod: It has failed again and again, and is not asked for a while." in there
        assert jp_serverapp.identity_provider.token not in out

        status, out = await command("--json", "--reset", "runpod", "--invalidate")
        said = json.loads(out)
        (server,) = said["servers"]
        assert server["folder"] == os.path.abspath(jp_serverapp.root_dir)
        assert server["trouble"] == ""
        (runpod,) = server["health"]["providers"]
        assert [each["state"] for each in runpod["breakers"]] == ["closed"] * 3
        assert breaker.state is BreakerState.CLOSED
        assert jp_serverapp.identity_provider.token not in out


@pytest.mark.timeout(60)
async def test_a_server_that_may_not_be_told_to_says_so_and_the_command_is_not_well(
    own_home: Path, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WhoLooks, "may", frozenset({"read"}))
    async with listening(jp_serverapp):
        status, out = await command("--reset", "runpod")
        assert status == 1
        assert "runpod was not reset there. It has refused: " in out
        assert (await command())[0] == 0
