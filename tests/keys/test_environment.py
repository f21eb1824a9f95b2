"""Who of our own processes has a key from the environment: wardens, and nothing that they start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.keys import KeyInUse, SourceKind, environment
from jupyter_gpu_bridge.keys.file import KeyFile
from jupyter_gpu_bridge.machine.link.environment import passed_on

KEYS = {"RUNPOD_API_KEY": "canary-1", "VASTAI_API_KEY": "canary-2", "LAMBDA_CLOUD_API_TOKEN": "canary-3"}
OTHERS = {"OPENAI_API_KEY": "canary-4", "HF_TOKEN": "canary-5", "AWS_SECRET_ACCESS_KEY": "canary-6"}
HARMLESS = {"GREETING": "hello"}


@pytest.fixture(autouse=True)
def set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, **OTHERS, **HARMLESS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment, "_withdrawn", {})


def _canaries(found: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if "canary" in value}


def test_a_warden_is_given_the_keys_and_no_other_secret() -> None:
    given = passed_on(with_ledger=True)
    assert _canaries(given) == KEYS
    assert given["GREETING"] == "hello"


def test_the_link_to_an_own_host_is_given_no_key() -> None:
    assert _canaries(passed_on(with_ledger=False)) == {}


def test_what_a_warden_starts_has_no_key_and_the_next_warden_has_them_again() -> None:
    keys.withdraw()
    shown = subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ)"], capture_output=True, text=True, check=True
    ).stdout
    assert "GREETING" in shown
    assert not any(value in shown for value in KEYS.values())
    assert _canaries(passed_on(with_ledger=True)) == KEYS
    assert _canaries(passed_on(with_ledger=False)) == {}
    found = keys.needed(keys.RUNPOD)
    assert (found.reveal(), found.source.kind, found.source.name) == ("canary-1", SourceKind.VARIABLE, "RUNPOD_API_KEY")
    keys.withdraw()
    assert keys.needed(keys.RUNPOD).reveal() == "canary-1"


def test_a_program_without_use_for_keys_has_the_rest() -> None:
    assert _canaries(keys.without_keys()) == OTHERS
    assert keys.without_keys().keys() == os.environ.keys() - KEYS.keys()


def _write_plug_in(folder: Path, module: str) -> None:
    information = folder / "acme_keys-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-keys\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[jupyter_gpu_bridge.providers]\nacme = acme_keys:Acme\n")
    (folder / "acme_keys.py").write_text(module)


def test_the_variables_of_a_provider_that_others_have_installed_count_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_plug_in(
        tmp_path,
        "from jupyter_gpu_bridge.keys import KeyPlace\n"
        "class Acme:\n    key = KeyPlace('acme', ('ACME_LOGIN',), 'Make one at Acme.')\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACME_LOGIN", "canary-7")
    assert passed_on(with_ledger=True)["ACME_LOGIN"] == "canary-7"
    assert "ACME_LOGIN" not in passed_on(with_ledger=False)
    place = keys.place_of("acme")
    assert place is not None
    assert keys.needed(place).reveal() == "canary-7"
    assert "acme" in keys.names()


@pytest.mark.parametrize("module", ["import a_package_that_is_not_there\n", "class Acme:\n    key = 'mine'\n"])
def test_a_provider_that_cannot_be_loaded_or_has_no_place_keeps_nobody_from_his_keys(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_plug_in(tmp_path, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_keys", raising=False)
    assert [place.provider for place in keys.places()] == ["lambda", "runpod", "vast"]
    assert "acme" in keys.names()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_after_a_refusal_a_key_that_was_given_meanwhile_is_taken(anyio_backend: str) -> None:
    in_use = KeyInUse(keys.RUNPOD)
    assert (await in_use.now()).reveal() == "canary-1"
    in_use.refused()
    assert (await in_use.now()).reveal() == "canary-1", "it may be mended at the provider"
    KeyFile().put("runpod", "given-meanwhile")
    assert (await in_use.now()).reveal() == "canary-1", "it was not refused again"
    in_use.refused()
    assert (await in_use.now()).reveal() == "given-meanwhile"
    assert (await in_use.now()).source.kind is SourceKind.FILE
