"""The clouds that are known, each made when it is needed first."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import cast

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import BadRequest, KeyRefused, ProviderMissing
from jupyter_gpu_bridge.keys import GROUP, KeyPlace
from jupyter_gpu_bridge.model import Account, Provider, Rental
from jupyter_gpu_bridge.naming import nearest

_OURS: Mapping[str, str] = {
    "lambda": "jupyter_gpu_bridge.providers.lambda_cloud:LambdaCloud",
    "runpod": "jupyter_gpu_bridge.providers.runpod:RunPod",
    "sandbox": "jupyter_gpu_bridge.providers.sandbox:Sandbox",
    "vast": "jupyter_gpu_bridge.providers.vast:Vast",
}


class Clouds:
    """Those that this process talks to; has to be closed."""

    def __init__(self) -> None:
        self._made: dict[str, Provider] = {}
        self._accounts: dict[str, Account] = {}

    def get(self, name: str) -> Provider:
        """Raises `BadRequest` when there is none of that name, `ProviderMissing` when it cannot be loaded."""
        if name not in self._made:
            self._made[name] = _make(name)
        return self._made[name]

    async def account(self, name: str) -> Account:
        """Whose key we have there; asked once. Raises `KeyRefused`, `Unclear`, or `ProviderMissing`."""
        if name not in self._accounts:
            self._accounts[name] = await self._once_known(name).check()
        return self._accounts[name]

    async def of(self, rental: Rental) -> Provider:
        """The cloud of a rental, asked with a key of the account that rented it. Raises `KeyRefused` for any other's.

        Another account's listing shows nothing of it, and would be taken for its end.
        """
        name = rental.provider
        try:
            account = await self.account(name)
        except ProviderMissing as error:
            raise ProviderMissing(
                error.what,
                billing=f"{rental.name} ({rental.ref}) costs {rental.price} per hour until it is ended.",
                advice=error.advice,
            ) from None
        if account.fingerprint != rental.account:
            cloud = self._made.pop(name)  # the next time with whatever key there is then
            del self._accounts[name]
            await cloud.close()
            raise _of_another_account(rental, cloud)
        return self.get(name)

    def _once_known(self, name: str) -> Provider:
        """One that we have rented from: it was there once."""
        try:
            return self.get(name)
        except BadRequest:
            raise ProviderMissing(
                f"The provider {name!r} is not installed any more, so nothing can be asked of it.",
                advice="Install it again, and all goes on by itself; or end its machines by hand at its website.",
            ) from None

    async def close(self) -> None:
        made, self._made = list(self._made.values()), {}
        for cloud in made:
            with contextlib.suppress(Exception):
                await cloud.close()


async def require_account(rental: Rental, cloud: Provider) -> None:
    """Before anybody believes that a machine is not there: the key may have been changed for one of another account.

    Raises `CloudError`.
    """
    if (await cloud.check()).fingerprint != rental.account:
        raise _of_another_account(rental, cloud)


def _of_another_account(rental: Rental, cloud: Provider) -> KeyRefused:
    return KeyRefused(
        f"The key of {cloud.traits.title} is one of another account than the one that rented {rental.name}.",
        billing=f"That machine costs {rental.price} per hour until it is ended.",
        advice="Give a key of that account, or end the machine by hand.",
    )


def cloud_names() -> Sequence[str]:
    return sorted({*_OURS, *(point.name for point in entry_points(group=GROUP))})


def clouds_set_up() -> Sequence[str]:
    """Where machines of ours may be, whatever the ledger says: it may be lost."""
    return [name for name in cloud_names() if _is_set_up(name)]


def _is_set_up(name: str) -> bool:
    try:
        maker = _maker(name)
    except ProviderMissing:
        return True
    is_set_up = getattr(maker, "is_set_up", None)
    if is_set_up is not None:
        return bool(is_set_up())
    place = getattr(maker, "key", None)
    return keys.held(place).is_certain if isinstance(place, KeyPlace) else True


def _make(name: str) -> Provider:
    return _maker(name)()


def _maker(name: str) -> Callable[[], Provider]:
    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        return cast("Callable[[], Provider]", getattr(importlib.import_module(module), attribute))
    for point in entry_points(group=GROUP, name=name):
        try:
            return cast("Callable[[], Provider]", point.load())
        except Exception as error:  # code of others
            raise ProviderMissing(
                f"The provider {name!r} is installed and cannot be loaded: {type(error).__name__}: {error}.",
                advice="Mend or reinstall it, and all goes on by itself; or end its machines by hand at its website.",
            ) from error
    raise BadRequest(f"There is no provider {name!r}.", advice=nearest(name, cloud_names()))
