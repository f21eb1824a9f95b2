"""What a page gets to see: errors as sentences, and no secrets."""

from __future__ import annotations

import json

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import Host, MachineRef, Profile
from tests.jupyter_server import Refused
from tests.kernels.home import Home
from tests.kernels.jupyter import JupyterServer
from tests.ports import free_port


async def test_the_message_of_a_failed_start_is_a_sentence_or_two(server: JupyterServer, home: Home) -> None:
    Bridge().add_host(Host("closed", "127.0.0.1", port=free_port(), carrier="paramiko"))
    Bridge().add_profile(Profile("closed", MachineRef("ssh", "closed")))
    Bridge().add_profile(Profile("no-python", MachineRef("local"), python="/no/such/python"))
    server.start()
    for profile, words in {"closed": "127.0.0.1", "no-python": "There is no Python at /no/such/python"}.items():
        wanted = {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"name": f"gpu-bridge-{profile}"}}
        with pytest.raises(Refused) as refused:
            await server.ask("api/sessions", wanted)
        message = refused.value.content["message"]
        assert refused.value.status == 500
        assert words in message
        assert "\n" not in message
        assert "Traceback" not in message
        assert "Error" not in message
        assert message.endswith(".")
        assert 2 <= message.count(". ") + message.endswith(".") + 1 <= 4


async def test_the_key_is_not_served(server: JupyterServer, home: Home) -> None:
    server.start()
    wanted = {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"name": "gpu-bridge-here"}}
    session = await server.ask("api/sessions", wanted)
    kernel_id = session["kernel"]["id"]
    key = json.loads((home.runtime / f"kernel-{kernel_id}.json").read_text())["key"]
    assert len(key) > 20
    paths = ("sessions", "kernels", f"kernels/{kernel_id}", "kernelspecs", "status")
    ours = ("machines", "kernels", f"kernels/{kernel_id}/log", "profiles")
    for path in (*(f"api/{path}" for path in paths), *(f"gpu-bridge/api/v1/{path}" for path in ours)):
        assert key not in json.dumps(await server.ask(path)), path
    assert key not in server.log
    links = home.bridge / "links" / "local" / "link.log"
    assert key not in links.read_text()
    await server.ask(f"api/kernels/{kernel_id}", method="DELETE")
    await home.until_nothing_remains(kernel_id)
