"""Each shell itself says what it would complete."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_gpu_bridge.cli.arguments import NAMES, SHELLS
from jupyter_gpu_bridge.cli.completion import script
from jupyter_gpu_bridge.cli.names import KINDS
from jupyter_gpu_bridge.model import Host, MachineRef, Profile
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals.profiles import Profiles
from tests.cli.calls import Call

KERNEL = "0b3c0000-1111"

pytestmark = pytest.mark.timeout(60)

Complete = Callable[..., set[str]]


@pytest.fixture(autouse=True)
def something_to_name(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("box", "lab"):
        Hosts().add(Host(name, "gpu"))
    Profiles().add(Profile("mine", MachineRef("local")))
    order = own_home / "bridge" / "links" / "ssh-box" / "kernels" / KERNEL / "order.json"
    order.parent.mkdir(parents=True)
    order.touch()
    programs = own_home / "bin"
    programs.mkdir()
    program = programs / "jupyter-gpu"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jupyter_gpu_bridge.cli "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


def _ask(shell: str, program: str, folder: Path) -> set[str]:
    file = folder / f"completion.{shell}"
    file.write_text(script(shell))
    argv = {"bash": ["bash", "-c"], "zsh": ["zsh", "-f", "-c"], "fish": ["fish", "--no-config", "-c"]}[shell]
    done = subprocess.run(
        [*argv, program.replace("FILE", str(file))], capture_output=True, text=True, check=True, timeout=30, cwd=folder
    )
    assert done.stderr == ""
    return {line.split("\t")[0] for line in done.stdout.splitlines() if line}


def _bash(words: list[str], folder: Path, before: str = "") -> set[str]:
    said = " ".join(f"'{word}'" for word in words)
    function = "_jupyter_gpu_of_jupyter" if words[0] == "jupyter" else "_jupyter_gpu"
    typed = f"COMP_WORDS=({said}); COMP_CWORD={len(words) - 1}"
    return _ask("bash", f'{before} . FILE; {typed}; {function}; printf "%s\\n" "${{COMPREPLY[@]}}"', folder)


def _zsh(words: list[str], folder: Path, before: str = "") -> set[str]:
    """`compadd` leaves it to the completion system to choose by the word's beginning; so do we."""
    said = " ".join(f"'{word}'" for word in words)
    function = "_jupyter_gpu_of_jupyter" if words[0] == "jupyter" else "_jupyter_gpu"
    stubs = "compdef() { :; }; typeset -A _comps; compadd() { shift; print -l -- $@; }; _default() { print FILES; };"
    ask = f"{stubs} {before} . FILE; words=({said}); CURRENT={len(words)}; {function}"
    return {found for found in _ask("zsh", ask, folder) if found.startswith(words[-1])}


def _fish(words: list[str], folder: Path, before: str = "") -> set[str]:
    return _ask("fish", f"{before} source FILE; complete -C '{' '.join(words)}'", folder)


SAME = [
    (["jupyter", "gpu", "ho"], {"hosts"}),
    (["jupyter-gpu", "hosts", "re"], {"remove"}),
    (["jupyter-gpu", "--json", "hosts", "re"], {"remove"}),
    (["jupyter-gpu", "kernels", "--w"], {"--wake"}),
    (["jupyter-gpu", "hosts", "add", "box", "gpu", "--no-"], {"--no-profile", "--no-check"}),
    (["jupyter-gpu", "hosts", "check", "b"], {"box"}),
    (["jupyter", "gpu", "hosts", "remove", "l"], {"lab"}),
    (["jupyter", "gpu", "profiles", "remove", "m"], {"mine"}),
    (["jupyter", "gpu", "kernels", "stop", "0"], {KERNEL}),
    (["jupyter-gpu", "hosts", "change", "box", "--carrier", "pa"], {"paramiko"}),
    (["jupyter-gpu", "profiles", "add", "new", "--machine", "s"], {"ssh:box", "ssh:lab"}),
    (["jupyter-gpu", "completion", "fi"], {"fish"}),
    (["jupyter-gpu", "models", "MI30"], {"MI300A", "MI300X"}),
    (["jupyter-gpu", "rent", "--gpu", "L4"], {"L4", "L40", "L40S"}),
    (["jupyter-gpu", "keys", "set", "ru"], {"runpod"}),
    (["jupyter-gpu", "keys", "te"], {"test"}),
    (["jupyter-gpu", "history", "MI30"], {"MI300A", "MI300X"}),
    (["jupyter-gpu", "market", "--provider", "sa"], {"sandbox"}),
    (["jupyter", "g"], {"gpu"}),
]


@pytest.mark.parametrize("complete", [pytest.param(_bash, marks=pytest.mark.needs("bash"), id="bash"),
                                      pytest.param(_zsh, marks=pytest.mark.needs("zsh"), id="zsh"),
                                      pytest.param(_fish, marks=pytest.mark.needs("fish"), id="fish")])  # fmt: skip
@pytest.mark.parametrize(("words", "wanted"), SAME)
def test_words_and_names_are_completed(complete: Complete, words: list[str], wanted: set[str], tmp_path: Path) -> None:
    assert complete(words, tmp_path) == wanted


@pytest.mark.needs("bash")
def test_bash_takes_a_colon_for_the_end_of_a_word(tmp_path: Path) -> None:
    before = ["jupyter-gpu", "profiles", "add", "new", "--machine", "ssh", ":"]
    assert _bash(before, tmp_path) == {"box", "lab"}
    assert _bash([*before, "l"], tmp_path) == {"lab"}


@pytest.mark.needs("bash")
def test_bash_goes_on_to_complete_what_jupyter_completes(tmp_path: Path) -> None:
    theirs = "_theirs() { COMPREPLY=(notebook); }; complete -o nospace -F _theirs jupyter; . FILE;"
    assert _bash(["jupyter", "no"], tmp_path, theirs) == {"notebook"}
    assert _bash(["jupyter", "gpu", "ho"], tmp_path, theirs) == {"hosts"}
    registered = _ask("bash", f"{theirs} . FILE; complete -p jupyter", tmp_path)
    assert registered == {"complete -o nospace -F _jupyter_gpu_of_jupyter jupyter"}
    assert _ask("bash", "complete -W 'lab' jupyter; . FILE; complete -p jupyter", tmp_path) == {
        "complete -W 'lab' jupyter"
    }


@pytest.mark.needs("zsh")
def test_zsh_goes_on_to_complete_what_jupyter_completes(tmp_path: Path) -> None:
    theirs = "_theirs() { print notebook; }; _comps[jupyter]=_theirs;"
    assert _zsh(["jupyter", "no"], tmp_path, theirs) == {"notebook"}
    assert _zsh(["jupyter", "gpu", "ho"], tmp_path, theirs) == {"hosts"}


@pytest.mark.needs("fish")
def test_fish_goes_on_to_complete_what_jupyter_completes(tmp_path: Path) -> None:
    theirs = "complete -c jupyter -a notebook;"
    assert _fish(["jupyter", "no"], tmp_path, theirs) == {"notebook"}


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=pytest.mark.needs(shell)) for shell in SHELLS])
def test_a_script_is_sound(shell: str, call: Call) -> None:
    text = call("completion", shell).out
    assert text == script(shell)
    subprocess.run([shell, "-n"], input=text, text=True, check=True, timeout=10)


def test_only_harmless_names_reach_a_shell(own_home: Path, call: Call) -> None:
    assert set(KINDS) == set(NAMES)
    (own_home / "bridge" / "links" / "ssh-box" / "kernels" / "$(touch x)").mkdir()
    (own_home / "bridge" / "links" / "ssh-box" / "kernels" / "$(touch x)" / "order.json").touch()
    assert call("completion", "--names", "kernels").out == f"{KERNEL}\n"
    Hosts().path.write_text("{")
    answer = call("completion", "--names", "hosts")
    assert (answer.status, answer.out, answer.err) == (0, "", "")
    assert call("completion").status == 2


def test_names_are_found_without_what_takes_time_to_load() -> None:
    program = (
        "import sys\n"
        "from jupyter_gpu_bridge.cli import main\n"
        "for kind in ('hosts', 'machines', 'profiles', 'kernels', 'gpus', 'providers', 'clouds'):\n"
        "    assert main(['completion', '--names', kind]) == 0\n"
        "heavy = {'asyncio', 'jupyter_client', 'paramiko', 'traitlets', 'zmq', 'jupyter_gpu_bridge.bridge'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20, stdout=subprocess.DEVNULL)
