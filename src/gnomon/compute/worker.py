"""The process behind a worker of the `process` executor: makes the worker, answers its calls in order, then ends."""

import ctypes
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from gnomon.errors import UserError

PR_SET_PDEATHSIG = 1


class Mapper:
    """The worker behind an executor's `map`."""

    def apply(self, function: Callable[[Any], Any], item: Any) -> Any:
        """`function(item)`."""
        return function(item)


def serve(channel: Connection) -> None:
    """Answer (number, method, args, kwargs) with (number, kind, value) until the other side is gone."""
    worker: Any = None
    failure: tuple[str, str] | None = None
    try:
        worker_class, args, kwargs = channel.recv()
        worker = worker_class(*args, **kwargs)
    except EOFError:
        return
    except UserError as mistake:
        failure = "mistake", str(mistake)
    except Exception:
        failure = "error", traceback.format_exc()
    while True:
        try:
            number, method, args, kwargs = channel.recv()
        except (EOFError, OSError):
            return
        if failure is not None:
            channel.send((number, *failure))
            continue
        try:
            channel.send((number, "value", getattr(worker, method)(*args, **kwargs)))
        except UserError as mistake:
            channel.send((number, "mistake", str(mistake)))
        except BrokenPipeError:
            return
        except Exception:
            channel.send((number, "error", traceback.format_exc()))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if len(sys.argv) > 2:  # a script's own classes and functions, without what it guards as its main part
        sys.modules["__main__"].__dict__.update(runpy.run_path(sys.argv[2], run_name="__gnomon_worker__"))
    serve(Connection(int(sys.argv[1])))
