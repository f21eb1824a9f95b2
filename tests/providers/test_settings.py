"""Settings: what they may be, who is stronger, and who hears of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.machine.link.environment import passed_on
from jupyter_gpu_bridge.providers import configuration, settings
from jupyter_gpu_bridge.providers.setting import Rate, Setting
from tests.own_home import IMPATIENT

_DOCS = Path(__file__).parents[2] / "docs" / "operate" / "resilience.md"


@pytest.fixture(autouse=True)
def nothing_is_set(own_home: Path, impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in IMPATIENT:
        monkeypatch.delenv(name, raising=False)


def refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> BadRequest:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadRequest) as caught:
        settings.check(["acme"])
    return caught.value


# values ------------------------------------------------------------------------------------------------------------


def test_what_is_usual_is_what_users_know() -> None:
    assert {setting.name.removeprefix("PROVIDER_"): setting.read() for setting in settings.OVER_ALL} == {
        "CIRCUIT_BREAKER_THRESHOLD": 5,
        "CIRCUIT_BREAKER_TIMEOUT": 60,
        "CIRCUIT_BREAKER_HALF_OPEN_MAX_CALLS": 1,
        "RATE_LIMITER_ENABLED": True,
        "CACHE_ENABLED": True,
        "CACHE_TTL": 30,
        "CACHE_MAX_TTL": 300,
        "CACHE_MIN_TTL": 10,
        "MAX_RETRIES": 3,
        "RETRY_BASE_DELAY": 2,
        "RETRY_MAX_DELAY": 32,
        "RETRY_JITTER": 1,
    }
    settings.check(["runpod", "vast", "lambda"])


@pytest.mark.parametrize("setting", settings.OVER_ALL, ids=lambda setting: setting.name)
@pytest.mark.parametrize("value", ["x", "-1", "1e3", "nan", "inf", "99999999", "0x10", "٣", "1;2"])
def test_what_makes_no_sense_is_refused_with_its_name_and_what_it_may_be(
    setting: Setting[int], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused(setting.name, value, monkeypatch)
    assert setting.name in error.what
    assert setting.may_be in error.advice
    assert setting.in_any_case() == setting.understood(setting.usual)


def test_settings_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PROVIDER_CACHE_MAX_TTL" in refused("PROVIDER_CACHE_TTL", "301", monkeypatch).what
    monkeypatch.setenv("PROVIDER_CACHE_TTL", "30")
    assert "PROVIDER_RETRY_MAX_DELAY" in refused("PROVIDER_RETRY_BASE_DELAY", "33", monkeypatch).what


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/s", Rate(5)),
        ("60/min", Rate(60, 60)),
        ("1/h", Rate(1, 3600)),
        ("100/s", Rate(100)),
        ("1/4.5s", Rate(1, 4.5)),
    ],
)
def test_a_rate_says_its_unit(text: str, rate: Rate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_RATE_LIMIT", text)
    assert settings.rate_limit("acme", "1/s").read() == rate


@pytest.mark.parametrize(
    "text", ["5", "0/s", "-1/s", "1.5/s", "60/m", "60 per minute", "1/week", "/s", "9999999/s", "1/0s", "1/.5s"]
)
def test_a_rate_without_a_unit_could_be_either_and_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused("ACME_RATE_LIMIT", text, monkeypatch)
    assert "60/min" in error.advice


@pytest.mark.parametrize(
    "text",
    [
        "https://api.acme.example/v2",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:9",
        "https://a.b:8443/",
    ],
)
def test_an_address_hides_the_key_or_stays_on_this_computer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_BASE_URL", text)
    assert settings.base_url("acme", "https://usual.example") == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "http://api.acme.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0:80",
        "ftp://api.acme.example",
        "api.acme.example",
        "https://",
        "https:///path",
        "https://user:geheim@api.acme.example",
        "https://api.acme.example?key=geheim",
        "https://api.acme.example#x",
        "https://api.acme.example:99999",
        "https://two words",
        "https://[::1",
    ],
)
def test_an_address_that_would_give_the_key_away_is_refused_also_for_a_call(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused("ACME_BASE_URL", text, monkeypatch)
    assert "ACME_BASE_URL" in error.what
    assert "geheim@" not in str(error)
    with pytest.raises(BadRequest):
        settings.base_url("acme", "https://usual.example")


@pytest.mark.parametrize("slash", ["", "/", "//"])
@pytest.mark.parametrize("path", ["", "/api", "/api/v1"])
def test_an_address_may_have_the_path_that_its_adapter_writes_behind_it(
    path: str, slash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.api_paths("pathy", "/api", "/api/v1")
    for bare in ("https://a.b:8443", "https://proxy.example/to/it", "https://api"):
        monkeypatch.setenv("PATHY_BASE_URL", f"{bare}{path}{slash}")
        assert settings.base_url("pathy", "https://usual.example") == bare


@pytest.mark.parametrize(
    "address", ["https://a.b/api/v2", "https://api/v1", "https://a.b/api/v1/x", "https://a.b/xapi"]
)
def test_no_other_path_is_taken_away(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.api_paths("pathy", "/api", "/api/v1")
    monkeypatch.setenv("PATHY_BASE_URL", address)
    assert settings.base_url("pathy", "https://usual.example") == address
    monkeypatch.setenv("OTHER_BASE_URL", "https://a.b/api/v1")
    assert settings.base_url("other", "https://usual.example") == "https://a.b/api/v1"


def test_each_address_of_a_provider_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ACME_GRAPHQL_BASE_URL" in refused("ACME_GRAPHQL_BASE_URL", "http://far.example", monkeypatch).what


@given(st.text())
def test_no_text_is_more_than_understood_or_refused(text: str) -> None:
    every = [
        *settings.OVER_ALL,
        settings.rate_limit("acme", "1/s"),
        settings.timeout("acme", 30.0),
        settings.enabled("acme"),
        settings._base_url("ACME_BASE_URL"),
    ]
    for setting in every:
        with contextlib.suppress(BadRequest):
            setting.understood(text)


@pytest.mark.parametrize(
    ("provider", "name"),
    [("runpod", "RUNPOD"), ("vast", "VAST"), ("lambda", "LAMBDA"), ("prime-intellect", "PRIME_INTELLECT")],
)
def test_a_provider_is_switched_off_by_its_name(provider: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.is_enabled(provider)
    for word in ("false", "No", "0", "off"):
        monkeypatch.setenv(f"{name}_ENABLED", word)
        assert not settings.is_enabled(provider)


# Jupyter's configuration -------------------------------------------------------------------------------------------


def test_each_setting_has_its_trait() -> None:
    traits = configuration.GpuBridgeProviders.class_traits(config=True)
    over_all = {f"PROVIDER_{name.upper()}" for name in traits} & {setting.name for setting in settings.OVER_ALL}
    assert over_all == {setting.name for setting in settings.OVER_ALL}
    assert {name.upper() for name in traits} >= set(settings.OF_EACH)


def test_the_configuration_counts_and_the_environment_is_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Config()
    said.GpuBridgeProviders.max_retries = 7
    said.GpuBridgeProviders.cache_enabled = False
    said.GpuBridgeProviders.retry_jitter = 0.5
    said.GpuBridgeProviders.rate_limit = {"acme": "3/s", "acme_graphql": "1/s"}
    said.GpuBridgeProviders.enabled = {"acme": False}
    configuration.take(said)
    assert (settings.MAX_RETRIES.read(), settings.CACHE_ENABLED.read(), settings.JITTER.read()) == (7, False, 0.5)
    assert settings.rate_limit("acme", "1/s").read() == Rate(3)
    assert not settings.is_enabled("acme")
    monkeypatch.setenv("PROVIDER_MAX_RETRIES", "2")
    monkeypatch.setenv("ACME_ENABLED", "true")
    assert settings.MAX_RETRIES.read() == 2
    assert settings.is_enabled("acme")


@pytest.mark.parametrize("provider", ["prime-intellect", "gpu.example", "acme_two", "vast"])
def test_the_configuration_is_heard_whatever_characters_a_provider_has_in_its_name(provider: str) -> None:
    said = Config()
    said.GpuBridgeProviders.enabled = {provider: False}
    said.GpuBridgeProviders.rate_limit = {provider: "3/s"}
    said.GpuBridgeProviders.timeout = {provider: 7}
    said.GpuBridgeProviders.base_url = {provider: "https://x.y"}
    configuration.take(said)
    assert not settings.is_enabled(provider)
    assert settings.rate_limit(provider, "1/s").read() == Rate(3)
    assert settings.timeout(provider, 30).read() == 7
    assert settings.base_url(provider, "https://usual.example") == "https://x.y"


def test_a_value_of_the_configuration_that_makes_no_sense_is_refused_by_name() -> None:
    said = Config()
    said.GpuBridgeProviders.max_retries = -3
    configuration.take(said)
    with pytest.raises(BadRequest, match="PROVIDER_MAX_RETRIES"):
        settings.check([])
    said = Config()
    said.GpuBridgeProviders.max_retries = [1]
    configuration.take(said)
    with pytest.raises(BadRequest, match="max_retries"):
        settings.check([])


@pytest.mark.parametrize("name", ["jupyter_config.json", "jupyter_gpu_bridge_config.json"])
def test_who_is_no_server_reads_the_files(name: str) -> None:
    folder = Path(os.environ["JUPYTER_CONFIG_DIR"])
    (folder / name).write_text(
        json.dumps({"GpuBridgeProviders": {"cache_ttl": 77, "base_url": {"acme": "https://x.y"}}})
    )
    configuration.forget()
    assert settings.base_url("acme", "https://usual.example") == "https://x.y"
    assert settings.CACHE_TTL.read() == 77


def test_a_broken_file_is_named_and_keeps_nobody_from_destroying() -> None:
    (Path(os.environ["JUPYTER_CONFIG_DIR"]) / "jupyter_gpu_bridge_config.py").write_text("c.GpuBridge(")
    configuration.forget()
    assert settings.MAX_RETRIES.in_any_case() == 3
    assert settings.base_url("acme", "https://usual.example") == "https://usual.example"
    with pytest.raises(BadRequest, match=r"jupyter_gpu_bridge_config\.py"):
        settings.check([])


def test_a_process_that_is_started_without_the_configuration_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a warden is: by nothing but its environment."""
    said = Config()
    said.GpuBridgeProviders.max_retries = 7
    said.GpuBridgeProviders.cache_ttl = 77
    said.GpuBridgeProviders.base_url = {"acme": "http://127.0.0.1:1"}
    configuration.take(said)
    monkeypatch.setenv("PROVIDER_CACHE_TTL", "66")
    program = (
        "from jupyter_gpu_bridge.providers import settings as s;"
        "print(s.base_url('acme', ''), s.MAX_RETRIES.read(), s.CACHE_TTL.read())"
    )
    environment = {**passed_on(with_ledger=False), "PYTHONPATH": str(_DOCS.parents[2])}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["http://127.0.0.1:1", "7", "66.0"]


def test_a_program_that_the_system_runs_is_told_of_what_concerns_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Config()
    said.GpuBridgeProviders.max_retries = 7
    configuration.take(said)
    for name in ("ACME_TIMEOUT", "ACME_GRAPHQL_BASE_URL", "ACME_API_KEY", "DOCKER_TIMEOUT", "PROVIDER_CACHE_TTL"):
        monkeypatch.setenv(name, "1")
    assert settings.present(["acme"]) == {
        "ACME_TIMEOUT": "1",
        "ACME_GRAPHQL_BASE_URL": "1",
        "PROVIDER_CACHE_TTL": "1",
        "PROVIDER_MAX_RETRIES": "7",
    }


# the page ----------------------------------------------------------------------------------------------------------


def test_the_page_has_each_setting_with_what_is_usual_and_what_it_may_be() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", _DOCS.read_text(), re.MULTILINE))
    for setting in settings.OVER_ALL:
        assert f"`{setting.usual}`" in rows[setting.name]
        assert setting.may_be in rows[setting.name]
        assert setting.name.removeprefix("PROVIDER_").lower() in rows[setting.name]
    assert {f"NAME_{what}" for what in settings.OF_EACH} <= set(rows)
