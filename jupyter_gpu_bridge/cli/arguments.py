"""What can be written after `jupyter gpu`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from jupyter_gpu_bridge import __version__, plain
from jupyter_gpu_bridge.cli.market_arguments import add_market_nouns
from jupyter_gpu_bridge.cli.order_arguments import duration, limit_arguments, need_arguments
from jupyter_gpu_bridge.cli.rental_arguments import add_rental_nouns
from jupyter_gpu_bridge.errors import Problem
from jupyter_gpu_bridge.naming import nearest

_DESTRUCTIVE = ("remove", "stop")

SHELLS = ("bash", "zsh", "fish")

NAMES = ("hosts", "machines", "profiles", "kernels", "gpus", "providers", "clouds")


class Arguments(argparse.ArgumentParser):
    """Answers what it does not know with the nearest thing it knows, and in JSON where that was asked for."""

    asked: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        if [word for word in self.asked if not word.startswith("-")][:2] == ["keys", "set"]:
            message = "give PROVIDER alone; the key is asked for, or read from standard input"  # it may be in there
        if "--json" in self.asked:
            print(json.dumps(plain.problem(Problem("usage", message, f"See: {self.prog} --help"))))
        else:
            print(f"{self.prog}: {message}\nSee: {self.prog} --help", file=sys.stderr)
        self.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            advice = nearest(str(value), known)
            if any(advice == f"Did you mean {verb!r}?" for verb in _DESTRUCTIVE):
                # What ends or forgets something must not be one return key away from a slip.
                advice = nearest("", known)
            raise argparse.ArgumentError(action, f"{str(value)!r} is not known. {advice}")


def parser(argv: Sequence[str] = ()) -> Arguments:
    Arguments.asked = argv
    top = Arguments(
        prog="jupyter gpu",
        allow_abbrev=False,
        description="Machines with a GPU as ordinary Jupyter kernels: hosts, profiles, kernels.",
    )
    top.add_argument("--version", action="version", version=f"jupyter-gpu-bridge {__version__}")
    _json(top)
    nouns = top.add_subparsers(dest="noun", required=True, metavar="COMMAND")
    _hosts(nouns)
    _profiles(nouns)
    _kernels(nouns)
    add_rental_nouns(nouns, _add)
    _search(nouns)
    add_market_nouns(nouns, _add)
    _models(nouns)
    _keys(nouns)
    doctor = _add(nouns, "doctor", "say what is installed, reachable and wrong")
    doctor.add_argument("--hosts", action="store_true", help="connect to each host as well")
    _health(nouns)
    completion = nouns.add_parser("completion", help="print a script that completes words in a shell")
    wanted = completion.add_mutually_exclusive_group(required=True)
    wanted.add_argument("shell", choices=SHELLS, metavar="SHELL", nargs="?", help=", ".join(SHELLS))
    wanted.add_argument("--names", choices=NAMES, help=argparse.SUPPRESS)  # the scripts ask for what to complete
    return top


def _add(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    _json(made)
    return made


def _json(made: argparse.ArgumentParser) -> None:
    # Suppressed, so that a verb does not take back what was said before it.
    made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer in JSON")


def _health(nouns: Any) -> None:
    health = _add(nouns, "health", "ask each provider that is set up, and your Jupyter servers how they have seen it")
    health.add_argument("--reset", metavar="PROVIDER", help="before that, as if it had never failed, in servers too")
    health.add_argument(
        "--invalidate",
        metavar="PROVIDER",
        nargs="?",
        const="",
        help="before that, forget its offers, in servers too; without a name, all",
    )


def _hosts(nouns: Any) -> None:
    verbs = _add(nouns, "hosts", "machines of your own").add_subparsers(dest="verb", required=True, metavar="COMMAND")
    add = _add(verbs, "add", "save a machine that you can reach by SSH, and look whether it can be used")
    add.add_argument("name", metavar="NAME", help="what you want to call it")
    add.add_argument("address", metavar="[USER@]ADDRESS[:PORT]", help="or an alias of your ssh_config")
    add.add_argument("--identity-file", metavar="FILE", help="private key; otherwise as ssh_config and agent say")
    add.add_argument("--python", metavar="PATH", help="the Python to use on the machine")
    add.add_argument("--carrier", choices=("auto", "openssh", "paramiko"), default="auto", metavar="NAME")
    add.add_argument("--no-profile", action="store_true", help="do not add a kernel of the same name")
    add.add_argument("--no-check", action="store_true", help="save it without connecting to it now")
    _fingerprint(add)
    change = _add(verbs, "change", "describe a saved machine anew; an empty value leaves it to ssh_config again")
    change.add_argument("name", metavar="NAME")
    change.add_argument("--address", metavar="[USER@]ADDRESS[:PORT]")
    change.add_argument("--user", metavar="USER")
    change.add_argument("--port", metavar="PORT", type=_port, help="0 leaves it to ssh_config")
    change.add_argument("--identity-file", metavar="FILE", help="private key")
    change.add_argument("--python", metavar="PATH", help="the Python to use on the machine")
    change.add_argument("--carrier", choices=("auto", "openssh", "paramiko"), metavar="NAME")
    change.add_argument("--no-check", action="store_true", help="do not connect to it now")
    _fingerprint(change)
    _add(verbs, "list", "show the saved machines")
    check = _add(verbs, "check", "connect, step by step, and say what is in the way")
    check.add_argument("name", metavar="NAME")
    _fingerprint(check)
    remove = _add(verbs, "remove", "forget a machine and the kernel of the same name")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--force", action="store_true", help="although kernels are running there")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _fingerprint(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--fingerprint", metavar="SHA256:...", help="it has this host key, which is confirmed without asking"
    )


def _profiles(nouns: Any) -> None:
    noun = _add(nouns, "profiles", "kernels as they are shown in the launcher")
    verbs = noun.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    add = _add(verbs, "add", "make a kernel that runs on a machine, or change it: what is not given stays as it was")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--machine", metavar="MACHINE", help="ssh:NAME, or local for this computer")
    add.add_argument("--rent", action="store_true", help="rent a machine when a kernel starts, as the options say")
    add.add_argument("--display-name", metavar="TITLE")
    add.add_argument("--python", metavar="PATH", help="the Python to use on the machine")
    add.add_argument("--folder", metavar="PATH", help="where kernels start, on the machine")
    add.add_argument(
        "--env",
        metavar="NAME[=VALUE]",
        action="append",
        help="a variable for the kernel, in place of all before; without a value, yours at the start is taken",
    )
    keep = add.add_mutually_exclusive_group()
    keep.add_argument("--keep", action="store_const", const=True, help="kernels go on when the Jupyter server exits")
    keep.add_argument("--stop", dest="keep", action="store_const", const=False, help="they stop with it (the default)")
    rented = add.add_argument_group("what to rent")
    need_arguments(rented, ranking="--prefer")
    limit_arguments(rented)
    _add(verbs, "list", "show the profiles")
    _add(verbs, "remove", "remove a profile").add_argument("name", metavar="NAME")


def _kernels(nouns: Any) -> None:
    noun = _add(nouns, "kernels", "all kernels on all machines, attached or not")
    noun.add_argument("--wake", action="store_true", help="connect to machines that are asleep as well")
    verbs = noun.add_subparsers(dest="verb", metavar="COMMAND")
    listing = _add(verbs, "list", "show them, as without a command")
    # Suppressed, as for --json.
    listing.add_argument("--wake", action="store_true", default=argparse.SUPPRESS, help="ask machines that are asleep")
    attach = _add(verbs, "attach", "print a connection file for jupyter console --existing")
    attach.add_argument("kernel", metavar="ID", help="its id, or the beginning of it")
    stop = _add(verbs, "stop", "end kernels")
    stop.add_argument("kernels", metavar="ID", nargs="*", help="their ids, or the beginnings of them")
    stop.add_argument("--all", action="store_true", help="all that this computer started, also where it is asleep")
    stop.add_argument("--yes", action="store_true", help="do not ask, whatever is running in them")
    log = _add(verbs, "log", "print what a kernel's process said outside of cells")
    log.add_argument("kernel", metavar="ID", help="its id, or the beginning of it")


def _search(nouns: Any) -> None:
    search = _add(nouns, "search", "what can be rented now, at all providers")
    what = "in a few words, for example: cheapest with 24 GB; fastest under $2; best value 2 x H100"
    search.add_argument("words", metavar="WORDS", nargs="*", help=what)
    need_arguments(search, ranking="--sort")
    search.add_argument("--rows", metavar="N", type=_rows, default=20, help="on a page; 20 without it")
    search.add_argument("--page", metavar="N", type=_rows, default=1, help="which one; 1 without it")
    wait = "for providers that are slow; 15s without it"
    search.add_argument("--wait", metavar="TIME", type=duration, default="15s", help=wait)


def _rows(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 6 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _models(nouns: Any) -> None:
    models = _add(nouns, "models", "the GPUs that are known, what they can do, and what a name is taken for")
    models.add_argument("name", metavar="NAME", nargs="*", help="say what this is taken for, whoever calls it so")
    models.add_argument("--gpu", metavar="MODEL", action="append", help="only this one; more than once: any of them")
    kinds = ("consumer", "professional", "datacenter")
    models.add_argument("--category", choices=kinds, metavar="KIND", help=", ".join(kinds))
    models.add_argument("--min-memory", metavar="GIB", type=_gib, default=0, help="of each GPU, at least")
    order = "score (the fastest first, as without it), memory (the largest first), or name"
    models.add_argument("--sort", choices=("score", "memory", "name"), default="score", metavar="BY", help=order)


def _gib(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of GiB")
    return int(text)


def _keys(nouns: Any) -> None:
    noun = _add(nouns, "keys", "the keys of your accounts at providers")
    verbs = noun.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for name, text in (
        ("set", "keep a key, which is asked for without showing it, or read from standard input"),
        ("test", "ask the provider whose key it is, and how much money is there"),
        ("remove", "forget a key"),
    ):
        _add(verbs, name, text).add_argument("provider", metavar="PROVIDER", help="for example runpod, vast, lambda")
    _add(verbs, "list", "show which there are, and where")
