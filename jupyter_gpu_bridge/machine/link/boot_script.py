# Runs on the machine, before anything of ours is there. Any Python must be able to read it, to say that it is too old.
import sys

if sys.version_info < (3, 8):
    sys.exit(86)

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile

wanted = json.loads(sys.argv[1])


def say(words):
    # type: (object) -> None
    os.write(1, b"\x02GPB1\x03" + json.dumps(words).encode() + b"\n")


def fail(what, advice):
    # type: (str, str) -> SystemExit
    say({"error": {"code": "machine-unfit", "what": what, "advice": advice}})
    return SystemExit(0)


def place():
    # type: () -> str
    tried = []
    places = [wanted["home"] or "~/.jupyter-gpu-bridge"]
    places.append(os.path.join(tempfile.gettempdir(), "jupyter-gpu-bridge-" + str(os.getuid())))
    places = [os.path.expanduser(folder) for folder in places]
    for folder in places:
        used = os.path.isfile(os.path.join(folder, "agent.lock"))
        if used and os.lstat(folder).st_uid == os.getuid() and not os.path.islink(folder):
            return folder  # whatever became of it meanwhile: here are our kernels, and nowhere else
    for folder in places:
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if os.lstat(folder).st_uid != os.getuid() or os.path.islink(folder):
                raise OSError(13, "belongs to somebody else")
            os.chmod(folder, 0o700)
            with open(os.path.join(folder, "agent.lock"), "a"):
                return folder
        except OSError as error:
            tried.append(folder + ": " + str(error.strerror))
    what = "Nothing can be written on the machine (" + "; ".join(tried) + ")."
    raise fail(what, "Free some space there, or allow writing.")


def fetch(folder):
    # type: (str) -> None
    say({"need": wanted["size"]})
    data = bytearray()
    while len(data) < wanted["size"]:
        piece = os.read(0, min(1 << 16, wanted["size"] - len(data)))
        if not piece:
            sys.exit(1)
        data += piece
    if hashlib.sha256(data).hexdigest() != wanted["version"]:
        raise fail("Our program arrived damaged on the machine.", "Try again.")
    fresh = tempfile.mkdtemp(dir=os.path.dirname(folder))
    try:
        zipfile.ZipFile(io.BytesIO(bytes(data))).extractall(fresh)
        os.rename(fresh, folder)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not os.path.isdir(folder):
            raise


home = place()
code = os.path.join(home, "code", wanted["version"][:16])
try:
    if not os.path.isdir(code):
        os.makedirs(os.path.dirname(code), mode=0o700, exist_ok=True)
        fetch(code)
except OSError as error:
    what = "Our program could not be written on the machine (" + str(error.strerror) + ")."
    stop = fail(what, "Free some space there.")
    raise stop  # noqa: B904 - Python 2 has no `from`
sys.path.insert(0, code)
from pathlib import Path  # noqa: E402

from jupyter_gpu_bridge.agent.attach import hand_over, reach  # noqa: E402

try:
    agent = reach(Path(home), Path(code, "jupyter_gpu_bridge", "agent", "run.py"), wanted["version"])
except OSError as error:
    what = "Our program could not be started in " + home + " on the machine (" + str(error.strerror) + ")."
    stop = fail(what, "Free space there, or allow writing.")
    raise stop  # noqa: B904
say({"home": home, "python": sys.executable})
hand_over(agent)
