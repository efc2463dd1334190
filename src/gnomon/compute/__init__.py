"""Ground floor: where work runs. `inline` (this process) and `process` (this machine), behind one protocol.

Worker classes are plain Python; calls and results are values that can be sent. A cluster's executor has to satisfy
the same protocol and contract tests.
"""

from gnomon.compute.protocol import (
    Broadcast,
    Call,
    Executor,
    Receiver,
    WorkerDied,
    WorkerError,
    WorkerHandle,
    executor,
)

__all__ = [
    "Broadcast",
    "Call",
    "Executor",
    "Receiver",
    "WorkerDied",
    "WorkerError",
    "WorkerHandle",
    "executor",
]
