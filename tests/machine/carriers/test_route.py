"""What a name means: the same to `ssh -G` and to paramiko."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.machine.carriers import SshTarget
from jupyter_gpu_bridge.machine.carriers.route import Hop, find_route

pytestmark = pytest.mark.anyio

CONFIG = """
Include included.conf
Host gpu
  HostName %h.example
  User somebody
  Port 2222
  IdentityFile ~/.ssh/key_%r
  IdentityFile /keys/second
  IdentitiesOnly yes
  IdentityAgent none
  CertificateFile /keys/cert.pub
  UserKnownHostsFile /known/one /known/two
  HostKeyAlias rented
  ProxyJump first,admin@middle:2200
Host command
  ProxyCommand relay --to %h:%p --as %r
Host first
  User jumper
Match host middle
  IdentityFile /keys/middle
Host fast
  Ciphers aes256-ctr
Host *
  GlobalKnownHostsFile /known/global
  IdentityFile /keys/all
"""


@pytest.fixture(params=["ssh", "paramiko"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshTarget:
    monkeypatch.setenv("HOME", str(tmp_path))
    if request.param == "paramiko":
        monkeypatch.setenv("PATH", str(tmp_path))
    config = tmp_path / "config"
    included = tmp_path / "included.conf"
    included.write_text("Host inc\n  Port 77\n")
    config.write_text(CONFIG.replace("included.conf", str(included)))
    return SshTarget("box", "gpu", tmp_path / "confirmed", config_file=config)


async def _last(target: SshTarget, address: str) -> Hop:
    return (await find_route(replace(target, address=address)))[-1]


async def test_every_setting_that_matters_is_followed(target: SshTarget, tmp_path: Path) -> None:
    first, middle, gpu = await find_route(target)
    assert (gpu.host, gpu.port, gpu.user) == ("gpu.example", 2222, "somebody")
    assert gpu.identity_files == (
        tmp_path / ".ssh/key_somebody",
        Path("/keys/second"),
        Path("/keys/all"),
    )
    assert gpu.certificate_files == (Path("/keys/cert.pub"),)
    assert gpu.identities_only
    assert gpu.identity_agent == ""
    assert gpu.known_hosts == (Path("/known/one"), Path("/known/two"), Path("/known/global"))
    assert (gpu.known_hosts_name, gpu.known_hosts_port) == ("rented", 22)
    assert (first.host, first.port, first.user) == ("first", 22, "jumper")
    assert (middle.host, middle.port, middle.user) == ("middle", 2200, "admin")
    assert middle.identity_files == (Path("/keys/middle"), Path("/keys/all"))


async def test_a_host_without_a_section_is_itself(target: SshTarget) -> None:
    hop = await _last(target, "Plain.Example")
    assert (hop.host.lower(), hop.port) == ("plain.example", 22)
    assert hop.known_hosts_name == "plain.example"
    assert hop.identity_agent is None
    assert not hop.identities_only
    assert not hop.ciphers_chosen


async def test_a_proxy_command_has_its_blanks_filled_in(target: SshTarget) -> None:
    hop = await _last(target, "joe@command")
    assert hop.proxy_command == "relay --to command:22 --as joe"


async def test_a_chosen_cipher_is_noticed(target: SshTarget) -> None:
    assert (await _last(target, "fast")).ciphers_chosen


async def test_an_included_file_counts(target: SshTarget) -> None:
    assert (await _last(target, "inc")).port == 77


async def test_the_sections_of_an_included_file_end_with_it(target: SshTarget) -> None:
    assert target.config_file is not None
    included = target.config_file.with_name("included.conf")
    target.config_file.write_text(f"Include {included}\nPort 99\nHost gpu\n  Include {included}\n  User me\n")
    assert (await _last(target, "plain")).port == 99
    assert (await _last(target, "inc")).port == 77
    assert (await _last(target, "gpu")).user == "me"


async def test_what_the_user_gave_comes_first(target: SshTarget) -> None:
    hop = (await find_route(replace(target, user="me", port=1, identity_file="/keys/mine")))[-1]
    assert (hop.user, hop.port, hop.identity_files[0]) == ("me", 1, Path("/keys/mine"))
    assert hop.identities_only


@pytest.mark.parametrize("jump", ["-oProxyCommand=x", "a:b"])
async def test_a_jump_that_is_no_host_is_refused(target: SshTarget, jump: str) -> None:
    assert target.config_file is not None
    target.config_file.write_text(f"Host gpu\n  ProxyJump {jump}\n")
    with pytest.raises(BadRequest):
        await find_route(target)
