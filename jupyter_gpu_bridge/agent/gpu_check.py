"""What the GPUs of this machine really do: how fast their memory is and how fast they multiply, in some ten seconds.

Runs alone, `python gpu_check.py`, and prints one line of JSON. It needs torch for measuring, and says so where there is
none. What somebody else uses is left alone and not judged; what it takes of a GPU it gives back, at the latest when its
process ends.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Iterator, NoReturn

_HERE = os.path.realpath(globals().get("__file__", "nowhere/at all"))

VERSION = 1
SECONDS = 10.0
"""For all GPUs together, besides the time to load torch."""

_SHORTEST = 1.5
"""Seconds for one GPU, however many there are: its clocks need some to rise."""
_LONGEST = 170
"""Seconds after which this process ends itself: a GPU that hangs, or a disk, would hold it for ever."""
_MOST_GPUS = 16
_WINDOW = 0.05
"""Seconds that are timed at once; the best window counts, as a GPU that gets hot slows down later."""

_ENOUGH, _BETTER = 20, 0.003
"""Windows in which nothing got better by so much: nothing will."""

_IDLE_MIB = 1024
_IDLE_SHARE = 0.02
"""Drivers and idle kernels hold some memory; who holds more than both of these uses the GPU."""
_IDLE_PERCENT = 10

_LARGEST_COPY = 1 << 30
_SMALLEST_COPY = 256 << 20
"""Bytes: far more than any cache holds, so that it is the memory that is measured."""
_EDGES = (8192, 4096)
"""Of the square matrices: large ones keep all of a GPU busy."""

_FIELDS = "uuid,name,memory.total,memory.used,utilization.gpu"

Tell = Callable[[str], None]


class Problem(Exception):
    """Why something cannot be measured; the code is for programs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.said = {"code": code, "text": text}


def check(seconds: float = SECONDS, tell: Tell = lambda text: None) -> dict[str, Any]:
    """The report; `tell` hears what it is doing."""
    report: dict[str, Any] = {"version": VERSION, "torch": "", "gpus": [], "problem": None}
    try:
        tell("asking the driver")
        seen = _driver_says()
        report["gpus"] = [_brief(gpu["name"], gpu["memory_mib"]) for gpu in seen]
        if seen and all(_busy(gpu) for gpu in seen):
            raise Problem("busy", _busy(seen[0]))
        tell("loading torch")
        torch = _torch(bool(seen))
        report["torch"] = str(torch.__version__)
        count = _count(torch, bool(seen))
        before = {gpu["uuid"]: gpu for gpu in seen}
        now = {gpu["uuid"]: gpu for gpu in _driver_says()}  # torch takes seconds to load: enough for a second look
        order = _in_order(torch, count, seen)
        report["gpus"] = []
        for index, uuid in enumerate(order):
            which = f" of GPU {index + 1} of {count}" if count > 1 else ""
            busy = _busy(before.get(uuid, {})) or _busy(now.get(uuid, {}))
            report["gpus"].append(_one(torch, index, max(_SHORTEST, seconds / count), busy, which, tell))
        _judge(report)
    except Problem as problem:
        report["problem"] = problem.said
    return report


def _judge(report: dict[str, Any]) -> None:
    """Where no GPU could be measured, why not."""
    if not any(gpu["bandwidth"] for gpu in report["gpus"]):
        why = report["gpus"][0]["problem"]
        raise Problem(why["code"], why["text"])


# who is there -----------------------------------------------------------------------------------------------------


def _driver_says() -> list[dict[str, Any]]:
    """Each GPU of NVIDIA that its driver names; none also where there is no such driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        asked = subprocess.run(
            [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=15.0,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = []
    for line in asked.stdout.decode("utf-8", "replace").splitlines():
        parts = [part.strip() for part in line.split(",")]
        if asked.returncode == 0 and len(parts) == len(_FIELDS.split(",")):
            total, used, percent = (int(part) if part.isdigit() else None for part in parts[2:])
            found.append(
                {"uuid": parts[0], "name": parts[1], "memory_mib": total, "used_mib": used, "busy_percent": percent}
            )
    return found[:_MOST_GPUS]


def _busy(gpu: dict[str, Any]) -> str:
    """How somebody else uses it, as a sentence; empty when nobody does, as far as the driver knows."""
    used, total, percent = (gpu.get(name) for name in ("used_mib", "memory_mib", "busy_percent"))
    if percent is not None and percent > _IDLE_PERCENT:
        return f"The GPU is in use: it is {percent} % busy."
    if used is not None and used > max(_IDLE_MIB, _IDLE_SHARE * (total or 0)):
        return f"The GPU is in use: {used} MiB of its memory are taken."
    return ""


def _torch(is_seen: bool) -> Any:
    """Its module; refuses where it cannot be had."""
    # As the driver counts them; has to be said before torch is loaded.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise Problem("no-torch", f"torch cannot be loaded here: {_said(error)}.") from None
        if is_seen:
            raise Problem("no-torch", f"There is no torch in {sys.executable}: nothing can be measured.") from None
        raise Problem("no-gpu", f"There is no driver of a GPU, and no torch in {sys.executable}.") from None
    except Exception as error:
        raise Problem("no-torch", f"torch cannot be loaded here: {_said(error)}.") from None


def _count(torch: Any, is_seen: bool) -> int:
    """How many GPUs torch can use; refuses where it is none."""
    try:
        if torch.cuda.is_available():
            return min(int(torch.cuda.device_count()), _MOST_GPUS)
    except Exception as error:
        raise Problem("no-gpu", f"torch {torch.__version__} finds no GPU: {_said(error)}.") from None
    if is_seen:
        raise Problem("blind-torch", f"torch {torch.__version__} cannot use the GPU that the driver shows.")
    raise Problem("no-gpu", f"torch {torch.__version__} finds no GPU.")


def _in_order(torch: Any, count: int, seen: list[dict[str, Any]]) -> list[str]:
    """The driver's name for each GPU of torch, which may see some of them only; empty where that is not known."""
    known = [str(gpu["uuid"]) for gpu in seen]
    found = []
    for index in range(count):
        said = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
        same = [uuid for uuid in known if said and uuid.endswith(said)]
        found.append(same[0] if same else known[index] if len(known) == count else "")
    return found


def _brief(name: str, memory_mib: int | None) -> dict[str, Any]:
    return {"name": name, "memory_mib": memory_mib, "bandwidth": None, "tflops": None, "format": "", "problem": None}


# measuring --------------------------------------------------------------------------------------------------------


def _one(torch: Any, index: int, seconds: float, busy: str, which: str, tell: Tell) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    found = _brief(str(properties.name), int(properties.total_memory) >> 20)
    try:
        if busy:
            raise Problem("busy", busy)
        with torch.cuda.device(index), torch.no_grad():
            _measure(torch, index, seconds, found, which, tell)
    except Problem as problem:
        found["problem"] = problem.said
    except Exception as error:  # whatever a driver may come up with is an answer too
        found["problem"] = {"code": "failed", "text": f"The GPU failed: {_said(error)}."}
    finally:
        torch.cuda.empty_cache()
    return found


def _measure(torch: Any, index: int, seconds: float, found: dict[str, Any], which: str, tell: Tell) -> None:
    free, total = torch.cuda.mem_get_info(index)
    found["memory_mib"] = int(total) >> 20
    if total - free > max(2 * _IDLE_MIB << 20, 2 * _IDLE_SHARE * total):  # with what our own use of it has cost
        raise Problem("busy", f"The GPU is in use: {int(total - free) >> 20} MiB of its memory are taken.")
    tell(f"measuring the memory{which}")
    bandwidth = _bandwidth(torch, free, 0.3 * seconds)
    torch.cuda.empty_cache()  # or what the products keep for good would lie in what the copies had, and hold all of it
    tell(f"measuring matrix products{which}")
    tflops, name = _tflops(torch, index, free, 0.7 * seconds)
    torch.cuda.empty_cache()
    left, _ = torch.cuda.mem_get_info(index)
    if free - left - torch.cuda.memory_reserved(index) > _IDLE_MIB << 20:  # of the rest somebody else has taken
        raise Problem("busy", "The GPU came into use while it was measured: try again when it is idle.")
    found.update(bandwidth=round(bandwidth, 1), tflops=round(tflops, 1), format=name)


def _bandwidth(torch: Any, free: int, seconds: float) -> float:
    """GB/s, what is read and what is written together, of large copies."""
    size = min(_LARGEST_COPY, int(free) // 8) >> 12 << 12
    if size < _SMALLEST_COPY:
        raise Problem("busy", "The GPU is in use: too little of its memory is free to measure it.")
    source = torch.ones(size // 4, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    ways: list[Callable[[], Any]] = [lambda: target.copy_(source), lambda: torch.mul(source, 2.0, out=target)]
    best = min(_fastest(torch, way, seconds / len(ways)) for way in ways)
    return 2 * size / best / 1e9


def _tflops(torch: Any, index: int, free: int, seconds: float) -> tuple[float, str]:
    """Dense products, of the format in which they are the fastest, and its name."""
    names = _formats(torch, index)
    edges = [edge for edge in _EDGES if 3 * edge * edge * 4 < int(free) // 2]
    found = []
    for name in names:
        for edge in edges:
            left = torch.randn(edge, edge, dtype=getattr(torch, name), device="cuda")
            right = torch.randn(edge, edge, dtype=getattr(torch, name), device="cuda")
            product = torch.empty_like(left)

            def multiply(left: Any = left, right: Any = right, product: Any = product) -> None:
                torch.mm(left, right, out=product)

            took = _fastest(torch, multiply, seconds / len(names) / len(edges))
            found.append((2 * edge**3 / took / 1e12, name))
    return max(found)


def _formats(torch: Any, index: int) -> tuple[str, ...]:
    """Older GPUs multiply the one or the other faster, or have no 16 bits worth the name."""
    if getattr(torch.version, "hip", None):
        return ("bfloat16", "float16")
    return ("bfloat16",) if torch.cuda.get_device_capability(index) >= (8, 0) else ("float16", "float32")


def _fastest(torch: Any, work: Callable[[], Any], seconds: float) -> float:
    """The seconds that it takes once, in the best window."""
    give_up = time.monotonic() + seconds
    work()  # whatever is chosen or compiled at the first time
    once = next(_windows(torch, work, 1))
    times = max(1, min(1000, int(_WINDOW / max(once, 1e-6))))
    best, since = once, 0
    for took in _windows(torch, work, times):
        since = 0 if took < best * (1 - _BETTER) else since + 1
        best = min(best, took)
        if since >= _ENOUGH or time.monotonic() > give_up:
            break
    return best


def _windows(torch: Any, work: Callable[[], Any], times: int) -> Iterator[float]:
    """Seconds of each, as the GPU itself has timed it."""
    while True:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(times):
            work()
        end.record()
        end.synchronize()
        took = begin.elapsed_time(end) / 1e3 / times
        if not took > 0:
            raise Problem("failed", "The GPU failed: its clock stands still.")
        yield took


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")


def _end(*_: object) -> NoReturn:
    os._exit(124)


def main(arguments: list[str]) -> int:
    """With `--stages`, lines before the last say what it is doing."""
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(_LONGEST)

    def tell(text: str) -> None:
        if "--stages" in arguments:
            print(json.dumps({"stage": text}), flush=True)

    print(json.dumps(check(tell=tell), allow_nan=False), flush=True)
    return 0


if __name__ == "__main__":
    # What lies beside this file must not be taken for what torch is looking for.
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or ".") != os.path.dirname(_HERE)]
    sys.exit(main(sys.argv[1:]))
