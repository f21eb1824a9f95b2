"""A provider in a package of somebody else's: it is installed, given a key, and rented from with `jupyter gpu`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rentals.renting.command import Ran, ran
from tests.rentals.renting.world import Renting, renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]

PACKAGE = Path(__file__).parent / "package"
GUIDE = Path(__file__).parents[3] / "docs" / "develop" / "add-a-provider.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put it, with nothing from the network."""
    site = tmp_path_factory.mktemp("site")
    how = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *how, str(PACKAGE)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def world(site: Path) -> Iterator[Renting]:
    """Acme's cloud, and all that is started from now on finds the package."""
    with renting(simulated="acme") as world, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site), prepend=":")
        patch.delenv("ACME_API_KEY")
        yield world


async def test_a_provider_that_pip_has_installed_is_rented_from_and_its_bill_ends(
    world: Renting, tmp_path: Path
) -> None:
    key = str(world.cloud.api["account_key"])
    lacking = await ran("keys", "test", "acme")
    assert (lacking.status, "Make one at acme.example" in lacking.err) == (1, True), lacking
    given = await well("keys", "set", "acme", given=key)
    tested = await well("keys", "test", "acme")
    assert "Account: jo@acme.example." in tested.out
    assert "Balance: $42.1" in tested.out
    listed = await well("keys", "list")
    assert re.search(rf"^acme +the file .* \.\.\.{key[-4:]}$", listed.out, re.MULTILINE), listed.out
    healthy = await well("health")
    assert re.search(r"^acme +healthy", healthy.out, re.MULTILINE), healthy.out

    rented = await well("rent", "--provider", "acme", "--name", "box", "--for", "1h", "--yes", "--json")
    (machine,) = world.billed()
    assert machine["limit_seconds"] >= 3600, "the cloud ends it as well, if nobody else does"
    told = json.loads(rented.out)
    standing = await well("ls")
    assert re.search(r" RTX 4090 +acme +\$0\.44 ", standing.out), standing.out

    await well("profiles", "add", "box", "--machine", told["machine"])
    code = tmp_path / "code.py"
    code.write_text("import os; print(os.environ['ACME_BOX'], os.environ['USER'])")
    worked = await well("--kernel=gpu-bridge-box", str(code), program="jupyter_client.runapp")
    assert worked.out == f"{machine['machine_id']} boxer\n"

    stopped = await well("stop", told["id"], "--yes")
    assert re.search(r"^Ended [0-9a-f]{8}\. It cost \$0\.0", stopped.out), stopped.out
    assert world.billed() == []
    (over,) = world.cloud.machines()
    assert over["end_reason"] == "asked by the account"
    await until(lambda: not world.wardens())
    said = [given, tested, listed, healthy, rented, standing, worked, stopped]
    assert not [each for each in said if key in each.out + each.err]


async def test_its_machine_that_cannot_be_entered_has_its_last_lines_shown(world: Renting) -> None:
    await well("keys", "set", "acme", given=str(world.cloud.api["account_key"]))
    world.cloud.fault("no-ssh", calls=1)
    renting_it = asyncio.ensure_future(ran("rent", "--provider", "acme", "--name", "box", "--yes", "--json"))
    await until(lambda: any(Path(each["folder"], "console.log").exists() for each in world.billed()))
    (machine,) = world.billed()
    Path(machine["folder"], "console.log").write_text("the shelf is wet\n")
    told = json.loads((await renting_it).out)  # nothing else was agreed to
    assert (told["error"], told["details"]) == ("rent-failed", {"console": "the shelf is wet"})
    (standing,) = await world.bridge.rentals(ended=True)
    shown = (await well("show", standing.wish.wish_id)).out
    assert shown.endswith(" itself has written last:\n    the shelf is wet\n"), shown
    assert world.billed() == []
    await until(lambda: not world.wardens())


def test_the_guide_shows_this_package() -> None:
    """Each line of code that it has of it, but where it leaves something out."""
    lines = {line for file in PACKAGE.iterdir() if file.is_file() for line in file.read_text().splitlines()}
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    shown = {line.removesuffix("...").rstrip() for block in blocks for line in block.splitlines()}
    assert len(shown) > 20
    assert shown - lines == set()


async def well(*words: str, program: str = "jupyter_gpu_bridge.cli", given: str = "") -> Ran:
    answer = await ran(*words, program=program, given=given)
    assert answer.status == 0, answer
    return answer
