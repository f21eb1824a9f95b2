"""The one façade: every front end calls only this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_gpu_bridge import gpus, settings
from jupyter_gpu_bridge.errors import HostKeyChanged, HostKeyUnknown, KernelUnknown
from jupyter_gpu_bridge.keys import Held, Removed, Stored
from jupyter_gpu_bridge.machine.link import KernelOrder, Report, RunningKernel, links
from jupyter_gpu_bridge.market.intent import understand
from jupyter_gpu_bridge.model import (
    RENTED,
    Event,
    Finding,
    GpusChecked,
    Health,
    Host,
    KernelId,
    KernelState,
    KernelView,
    MachineRef,
    MachineView,
    Need,
    Offer,
    Order,
    Profile,
    Rental,
    Stage,
    Wish,
    WishId,
)
from jupyter_gpu_bridge.model.query import Page, Query, Row
from jupyter_gpu_bridge.providers import ssh
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals import account_keys, check, key_pairs, observe, order_words, shopping
from jupyter_gpu_bridge.rentals.account_keys import Tested
from jupyter_gpu_bridge.rentals.costs import CostRow, CostsBy, as_csv, as_json
from jupyter_gpu_bridge.rentals.ledger import Limits
from jupyter_gpu_bridge.rentals.limits import change_limits, set_limits, user_limits
from jupyter_gpu_bridge.rentals.observe import kernels_of
from jupyter_gpu_bridge.rentals.profiles import Profiles
from jupyter_gpu_bridge.rentals.reach import leave, target_of
from jupyter_gpu_bridge.rentals.stages import Took, stages
from jupyter_gpu_bridge.rentals.standing import Standing

if TYPE_CHECKING:
    from jupyter_gpu_bridge.gpus import Explained, Model
    from jupyter_gpu_bridge.machine.facade import Receipts, Stamp
    from jupyter_gpu_bridge.market.history import PriceHistory, SoldBy
    from jupyter_gpu_bridge.market.overview import Overview
    from jupyter_gpu_bridge.rentals.guard import Round
    from jupyter_gpu_bridge.rentals.guard_timer import GuardTimer
    from jupyter_gpu_bridge.rentals.orders import Orders
    from jupyter_gpu_bridge.rentals.quote import Quote

__all__ = [
    "AskPassphrase",
    "Bridge",
    "ConfirmHostKey",
    "Held",
    "Overview",
    "Page",
    "PriceHistory",
    "Query",
    "Quote",
    "Receipts",
    "Removed",
    "Row",
    "SoldBy",
    "Stamp",
    "Standing",
    "Stored",
    "Tested",
    "Took",
    "as_csv",
    "as_json",
    "kernels_of",
    "understand",
]

AskPassphrase = Callable[[str], str | None]
"""Given the name of a key file, the passphrase, or `None` when nobody can be asked."""

ConfirmHostKey = Callable[[HostKeyUnknown | HostKeyChanged], bool]
"""Given what is in the way (`details`: `host`, `fingerprint`), whether the user vouches for that key."""


class Bridge:
    """Asynchronous and cheap to make; it may be used from any event loop, also from several one after another."""

    # own hosts -----------------------------------------------------------------------------------------------------

    def hosts(self) -> Sequence[Host]:
        return Hosts().list()

    def host(self, name: str) -> Host:
        """Raises `HostUnknown`."""
        return Hosts().get(name)

    def add_host(self, host: Host) -> None:
        Hosts().add(host)

    def change_host(self, host: Host) -> None:
        """Describe a host anew; its link hears of it when asked next, and refuses another machine while kernels run."""
        Hosts().change(host)

    async def remove_host(self, name: str, *, leave_kernels: bool = False) -> None:
        """Its profiles are left: a host of the same name may be added again. Raises `BadRequest` while kernels run."""
        host = Hosts().get(name)
        if not leave_kernels:
            await leave(ssh.machine_ref(host))
        Hosts().remove(name)

    def check_host(
        self,
        name: str,
        *,
        confirm: ConfirmHostKey | None = None,
        ask: AskPassphrase | None = None,
        fingerprint: str | None = None,
    ) -> AsyncIterator[Stage]:
        """Connect, step by step; raises what stands in the way, after `confirm` and `ask` had their say.

        With a fingerprint, a host that is trusted already, so that `confirm` is not asked, must be so for that key.
        """
        return check.host(name, confirm, ask, fingerprint)

    # profiles ------------------------------------------------------------------------------------------------------

    def profiles(self) -> Sequence[Profile]:
        return Profiles().list()

    def add_profile(self, profile: Profile) -> Path:
        return Profiles().add(profile)

    def remove_profile(self, name: str) -> None:
        Profiles().remove(name)

    # machines and kernels ------------------------------------------------------------------------------------------

    async def machines(self, *, wake: bool = False) -> Sequence[MachineView]:
        """Every machine that can be reached without renting; connected to by asking only with `wake`.

        One that could not be asked is `FAILED` or `RECONNECTING`, says why, and has the kernels that are remembered.
        """
        return await observe.machines(wake=wake)

    async def kernels(self, *, wake: bool = False) -> Sequence[KernelView]:
        """All kernels that are known, each once; for whom it matters which machines did not answer: `machines`."""
        return kernels_of(await self.machines(wake=wake))

    async def start_kernel(self, machine: MachineRef, order: KernelOrder, report: Report) -> RunningKernel:
        """Start a kernel, or attach to the one of that id which still runs and which nobody has."""
        try:
            return await links().run(links().start(machine, target_of(machine), order, report))
        except asyncio.CancelledError:
            links().give_up(order.kernel_id)
            raise

    async def restart_kernel(self, kernel: RunningKernel, order: KernelOrder, report: Report) -> None:
        """A new process in the place of the old one, on the same machine."""
        await links().run(links().relaunch(kernel, target_of(kernel.machine), order, report))

    async def break_off_starts(self) -> None:
        """All starts and restarts of this process that are under way end with `StartCancelled`, and leave nothing."""
        await links().run(links().break_off())

    async def signal_kernel(self, kernel: RunningKernel, number: int) -> None:
        await links().run(links().signal(kernel, number))

    async def kernel_ended(self, kernel: RunningKernel) -> None:
        """Until its process has ended."""
        await links().run(links().until_ended(kernel))

    async def release_kernel(self, kernel: RunningKernel) -> bool:
        """End it for good; false when the machine cannot be told now (it will be, as soon as it can)."""
        return await links().run(links().stop(kernel))

    def release_kernel_soon(self, kernel: RunningKernel) -> None:
        """End it for good, for those who cannot wait."""
        links().stop_soon(kernel)

    async def kernel_renamed(self, kernel_id: KernelId, path: str) -> None:
        """The notebook of a kernel of this process has another name now."""
        await links().run(links().rename(kernel_id, path))

    def let_be(self, kernel: RunningKernel) -> None:
        """Leave it running without us."""
        links().forget(kernel)

    async def stop_kernel(self, kernel_id: KernelId) -> bool:
        """End any kernel on any machine; false when the machine will be told later. Raises `KernelUnknown`."""
        machine = await observe.machine_of(kernel_id)
        answer = await links().run(links().ask(machine, target_of(machine), "stop", kernel_id=kernel_id))
        return bool(answer["confirmed"])

    async def attach(self, kernel_id: KernelId) -> Path:
        """A connection file for clients that take one (`jupyter console --existing FILE`)."""
        return await observe.connection_file(kernel_id)

    async def kernel_log(self, kernel_id: KernelId) -> str:
        """What the kernel's process printed outside of any cell."""
        machine = await observe.machine_of(kernel_id)
        return str(await links().run(links().ask(machine, target_of(machine), "log", kernel_id=kernel_id)))

    async def disconnect(self, machine: MachineRef) -> None:
        """Let the connection to a machine go that runs no kernel of ours."""
        await links().run(links().ask(machine, None, "disconnect"))

    # rented machines -------------------------------------------------------------------------------------------------

    def check_order(self, order: Order) -> None:
        """Raises `BadRequest` for limits that make no sense."""
        order_words.check_order(order)

    async def search(self, need: Need) -> Sequence[Offer]:
        """Offers that fit, the best first. Raises `NothingFits` with what excludes how many."""
        return await shopping.search(need)

    def browse(self, query: Query) -> AsyncGenerator[Page, None]:
        """A page of what can be rented, at once and again with each provider that answers; to be closed.

        Raises `BadRequest`.
        """
        from jupyter_gpu_bridge.market import browse

        return browse.browse(query)

    async def page(self, query: Query, within: timedelta) -> Page:
        """The page once all have answered, or what there is after so long. Raises `BadRequest`."""
        from jupyter_gpu_bridge.market import browse

        return await browse.whole(query, within.total_seconds())

    async def quote(self, order: Order) -> Quote:
        """What it would come to now. Raises `NothingFits`."""
        return await _orders().quote(order)

    async def gaps(self, provider: str) -> str:
        """What this provider cannot promise, and what to do about it; empty when it lacks nothing."""
        return await shopping.gaps(provider)

    async def check_gpu(self, machine: str, report: Report) -> GpusChecked:
        """Measure the GPUs of a rented machine or an own host, in some ten seconds; cancelled, it ends there too.

        `machine`: the beginning of a rental's id, the name of a host, or `local`.
        """
        from jupyter_gpu_bridge.rentals.gpu_check import check_gpus

        return await check_gpus(machine, report)

    async def machine_for(self, key: str, order: Mapping[str, object], asked_by: str = "") -> MachineRef:
        """As `want`, with an order as a kernelspec has it; the machine comes when a kernel starts on it."""
        return (await _orders().want(key, order_words.understand(order), asked_by)).machine

    async def want(self, key: str, order: Order, asked_by: str = "") -> Standing:
        """One machine for this key, the one that is there or a new one; rented when somebody waits for it."""
        return await _orders().want(key, order, asked_by)

    async def arrive(self, standing: Standing, report: Report) -> Standing:
        """Until the machine can be used. Given up or failed, nothing stays rented."""
        return await _orders().arrive(standing, report)

    async def rentals(self, *, ended: bool = False) -> Sequence[Standing]:
        from jupyter_gpu_bridge.rentals.glance import glance

        found = None if ended else await asyncio.to_thread(glance)
        return await _orders().all(ended=ended) if found is None else found

    async def lost_rentals(self) -> str:
        """That machines were rented here of which the ledger knows nothing, as a sentence; empty if there are none."""
        if not await asyncio.to_thread(key_pairs.made):
            return ""  # without a database, for those who rent nothing
        return await _orders().lost()

    async def rentals_lately(self) -> Sequence[Standing]:
        """With those that ended within the last hour; cheap where nothing was ever rented."""
        return await observe.rentals()

    async def may_return(self) -> bool:
        """Whether a provider may bring back a machine that ended within the last day; cheap as `rentals_lately`."""
        return settings.has_ledger() and await _orders().may_return()

    async def rental(self, start: str) -> Standing:
        """By the beginning of its id, or by that of one of its attempts. Raises `RentalUnknown`."""
        return await _orders().find(start)

    async def look_after(self, standing: Standing) -> bool:
        """Have somebody look after it again, where nobody has for a while; whether that was so. Raises `LinkLost`."""
        return await _orders().look_after(standing)

    def stages(self, wish: Wish, events: Sequence[Event]) -> Sequence[Took]:
        """How long each stage took until it could be used; `events`: all of that wish."""
        return stages(wish.asked, events)

    async def rental_events(self, wish_id: WishId) -> Sequence[Event]:
        return await _orders().events(wish_id)

    async def end_rental(self, wish_id: WishId, because: str) -> bool:
        """There is to be no machine any more; what there is, is ended whatever happens to us."""
        return await _orders().unwant(wish_id, because)

    async def end_rentals(self, wish_ids: Sequence[WishId], because: str) -> Mapping[WishId, str]:
        """As `end_rental`, of many at once; what went wrong with each of those where something did."""
        return await _orders().unwant_all(wish_ids, because)

    async def rental_gone(self, wish_id: WishId, tell: Callable[[str], None] = lambda text: None) -> Standing:
        """Until nothing is billed any more, as the provider's own listing shows; `tell` hears what is in the way."""
        return await _orders().until_gone(wish_id, tell)

    async def extend_rental(self, wish_id: WishId, more: timedelta) -> Rental:
        return await _orders().extend(wish_id, more)

    async def costs(self, by: CostsBy = "rental", since: date | None = None) -> Sequence[CostRow]:
        """What was spent; pretend money apart."""
        return await _orders().costs(by, since)

    def limits(self) -> Limits:
        """What may be spent over all rentals."""
        return user_limits()

    def set_limits(self, limits: Limits) -> None:
        set_limits(limits)

    def change_limits(self, changes: Mapping[str, Any]) -> Path | None:
        """Where a copy is of what was there before, if that made no sense and limits nothing any more."""
        return change_limits(changes)

    async def keep_orphan(self, name: str) -> Standing:
        """A machine that nobody knew of is wanted after all."""
        return await _orders().keep(name)

    async def end_orphan(self, name: str) -> Standing:
        """One that another computer has rented, which is gone."""
        return await _orders().end_orphan(name)

    async def install_guard(self) -> str:
        """Have the system look after what is rented, also when nothing of ours runs; what was done, as a sentence."""
        from jupyter_gpu_bridge.rentals import guard_timer

        return await guard_timer.install()

    async def remove_guard(self) -> str:
        """What was done, as a sentence."""
        from jupyter_gpu_bridge.rentals import guard_timer

        return await guard_timer.remove()

    async def guard_timer(self) -> GuardTimer:
        """Whether the system runs the guard, and how its last round ended."""
        from jupyter_gpu_bridge.rentals import guard_timer

        return await guard_timer.timer_now()

    async def guard_if_needed(self) -> Round | None:
        """As `guard`, where something may be rented: there is a ledger, or a provider is set up."""
        if not settings.has_ledger():
            from jupyter_gpu_bridge.providers.clouds import clouds_set_up

            if not await asyncio.to_thread(clouds_set_up):
                return None
        return await self.guard()

    async def guard(self) -> Round:
        """Look after everything that is rented, once."""
        return await _orders().guard()

    # keys of accounts ------------------------------------------------------------------------------------------------

    async def keys(self) -> Sequence[Held]:
        """Of each provider that takes one, which there is, or why that cannot be said. The keys stay hidden in it."""
        return await account_keys.every()

    async def key_advice(self, provider: str) -> str:
        """Where a key is made, and which rights it needs. Raises `BadRequest` for a provider that takes none."""
        return await account_keys.advice(provider)

    async def set_key(self, provider: str, text: str) -> Stored:
        """Raises `BadRequest` for what is no key, and does not repeat it; `KeyUnreadable` where nothing can keep it."""
        return await account_keys.put(provider, text)

    async def remove_key(self, provider: str) -> Removed:
        """From wherever it was stored; the environment is the user's own."""
        return await account_keys.remove(provider)

    async def test_key(self, provider: str) -> Tested:
        """Ask the provider whose it is. Raises `KeyMissing`, `KeyBad`, `KeyForbidden`, `KeyUnfunded`, `Unclear`."""
        return await account_keys.test(provider)

    async def keys_of_this_environment(self, providers: Sequence[str] = ()) -> str:
        """Which keys the guard will not have, and what to do about it, as a sentence; empty when it lacks none."""
        return await account_keys.known_to_us_alone(providers)

    # a Jupyter server that goes and comes back -----------------------------------------------------------------------

    async def surviving(self, kernel_id: KernelId) -> bool:
        """Whether this kernel still runs on its machine, so that starting its id again attaches to it."""
        try:
            machine = await observe.machine_of(kernel_id)
        except KernelUnknown:
            return False
        if machine.provider == RENTED.provider and not await _orders().is_there(WishId(machine.name)):
            return False
        view = await observe.kernel(machine, kernel_id)
        return view.state not in (KernelState.DEAD, KernelState.STOPPING)

    async def server_exits(self, kernel_ids: Sequence[KernelId]) -> None:
        """Called before a server shuts these kernels down: they are to be kept, so its shutdown must not reach them."""
        await links().run(links().hold(kernel_ids))

    def receipts(self, prefix: Path, session: bytes) -> Receipts | None:
        """For a server, before it connects a page's sockets to a kernel: where to note what the page has."""
        from jupyter_gpu_bridge.machine.facade import Receipts

        return Receipts.open(prefix, session)

    # the market ------------------------------------------------------------------------------------------------------

    async def price_history(self, gpu: str, provider: str | None = None, days: int = 30) -> PriceHistory:
        """How the prices of this GPU have moved, and when it could be had, as far as anybody has looked.

        A pretend cloud is left out unless it is named. Raises `BadRequest` for a GPU or a provider that nobody knows.
        """
        from jupyter_gpu_bridge.market import history

        return await asyncio.to_thread(history.price_history, gpu, provider, days, datetime.now(timezone.utc))

    async def market_statistics(self, provider: str | None = None) -> Overview:
        """How much there is of what, as it was a moment ago, and what it costs; by any, or by this provider.

        Raises `NothingFits` where nothing is offered, `BadRequest` for a provider that nobody knows.
        """
        from jupyter_gpu_bridge.market.overview import overview

        return await overview(provider)

    # GPU models ------------------------------------------------------------------------------------------------------

    def gpu_models(self, names: Sequence[str] = ()) -> Sequence[Model]:
        """All that are known, or those that these names may mean; names that nobody knows mean none."""
        return gpus.models_wanted(names) if names else gpus.models()

    def explain_gpu(self, name: str) -> Explained:
        """What a name is taken for, in everybody's words and in those of each provider that has it."""
        return gpus.explain(name)

    def unknown_gpus(self) -> Mapping[str, int]:
        """The GPUs that providers offered to this process and that the catalogue does not have; how often each."""
        return gpus.unknown_names.counts()

    # health ----------------------------------------------------------------------------------------------------------

    async def doctor(self, *, hosts: bool = False) -> Sequence[Finding]:
        """What is installed, reachable and wrong; connects to each host only when asked."""
        from jupyter_gpu_bridge.rentals import doctor

        return await doctor.examine(self.check_host if hosts else None)

    async def health(self) -> Health:
        """How each provider does that is set up, as this process has seen it; each is asked once more for it.

        Raises `BadRequest` for a setting that makes no sense.
        """
        from jupyter_gpu_bridge.rentals import health

        return await health.examine()

    async def health_seen(self) -> Health:
        """As `health`, and no provider is asked for it; what has not been seen yet counts as healthy."""
        from jupyter_gpu_bridge.rentals import health

        return await health.seen()

    def reset_provider(self, name: str) -> None:
        """Ask it again, as if it had never failed. Raises `BadRequest` when there is none of that name."""
        from jupyter_gpu_bridge.rentals import health

        health.reset(name)

    def forget_offers(self, provider: str = "") -> None:
        """Look at no offer that is remembered, of this provider or of any. Raises `BadRequest`."""
        from jupyter_gpu_bridge.rentals import health

        health.forget_offers(provider)

    def metrics(self) -> bytes:
        """What this process has asked of the providers, as Prometheus reads it."""
        from jupyter_gpu_bridge.providers import metrics

        return metrics.exposed()


def _orders() -> Orders:
    """They bring a database, which nobody has to load who rents nothing."""
    from jupyter_gpu_bridge.rentals.orders import orders

    return orders()
