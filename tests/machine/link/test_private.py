"""What others on this computer may see of a link: nothing in its files, and no secret in its environment."""

from __future__ import annotations

import asyncio
import os
import stat

import psutil
import pytest

from tests.rentals.two_machines import two_machines

SECRETS = {
    "DB_PWD": "x",
    "PWD_OF_DB": "x",
    "SERVICE_PASSWD": "x",
    "DB_PASS": "x",
    "APIKEY": "x",
    "MY_API_KEY": "x",
    "GOOGLE_CREDENTIALS": "x",
    "private_thing": "x",
    "AWS_ACCESS_KEY_ID": "x",
    "DATABASE_URL": "postgres+psycopg://ada:lovelace@db.example:5432/main",
    "CACHE": "redis://:lovelace@cache.example",
}
HARMLESS = {
    "OLDPWD": "/somewhere",
    "PASSAGE": "north-west",
    "COMPASS": "north",
    "MODEL_URL": "https://hub.example:8080/a@b:c",
    "REPOSITORY": "ssh://git@forge.example/it.git",
}


@pytest.mark.timeout(60)
def test_files_are_for_their_owner_only_and_secrets_stay_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, **HARMLESS}.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o022)
    try:
        asyncio.run(_look_around())
    finally:
        os.umask(before)


async def _look_around() -> None:
    async with two_machines("openssh") as world:
        world.add(world.first)
        await world.check(world.first)
        kernel = await world.start()
        found = [*(world.here / "bridge").rglob("*")]
        assert {"links", "target.json", "kernels", "order.json", "identity", "link.log"} <= {
            each.name for each in found
        }
        for each in found:
            assert not stat.S_IMODE(each.stat().st_mode) & 0o077, each
        (link,) = world.links()
        environment = psutil.Process(link).environ()
        assert not SECRETS.keys() & environment.keys()
        assert environment.items() >= HARMLESS.items()
        assert await world.bridge.release_kernel(kernel)
