"""The newest weights in memory that processes share: two slots, written in turn, so that reading and publishing
hardly ever meet.

The memory is an anonymous file (nothing has a name that could be left behind). Each slot has a lock of the operating
system that a dying process releases. A reader copies the slot that was published last; the writer fills the other.
"""

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import UserError

ALIGNMENT = 64
HEADER = 64  # int64: current slot (-1: none yet), then the version in slot 0 and in slot 1

Layout = tuple[tuple[str, int, tuple[int, ...], torch.dtype], ...]  # name, offset in the slot, shape, type

Identity = tuple[int, int] | None  # device and inode of an open file


def _layout(tensors: dict[str, Tensor]) -> tuple[Layout, int]:
    entries, offset = [], 0
    for name, tensor in tensors.items():
        entries.append((name, offset, tuple(tensor.shape), tensor.dtype))
        offset += -(-tensor.numel() * tensor.element_size() // ALIGNMENT) * ALIGNMENT
    return tuple(entries), max(offset, ALIGNMENT)


def _identity(descriptor: int) -> Identity:
    """What tells one open file from another that has come to the same descriptor."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Slots:
    """Both sides' view of the shared memory."""

    def __init__(self, descriptor: int, identity: Identity, layout: Layout, size: int) -> None:
        if _identity(descriptor) != identity:
            raise RuntimeError("broadcast: this worker was started before the broadcast that it is to receive from.")
        self.descriptor = descriptor
        self.layout = layout
        self.size = size
        self.memory = mmap.mmap(descriptor, HEADER + 2 * size)
        self.header = torch.frombuffer(self.memory, dtype=torch.int64, count=3)

    def views(self, slot: int) -> dict[str, Tensor]:
        """The slot's tensors, in place."""
        views = {}
        for name, offset, shape, dtype in self.layout:
            start, count = HEADER + slot * self.size + offset, prod(shape)
            flat = torch.frombuffer(self.memory, dtype=dtype, count=count, offset=start) if count else torch.empty(0)
            views[name] = flat.to(dtype).reshape(shape) if not count else flat.reshape(shape)
        return views

    @contextmanager
    def locked(self, slot: int, kind: int) -> Iterator[None]:
        fcntl.lockf(self.descriptor, kind, 1, slot)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, slot)


class SharedReceiver:
    """The workers' side; sent by its file descriptor, which the worker inherits."""

    def __init__(self, descriptor: int, identity: Identity, layout: Layout, size: int) -> None:
        self._arguments = descriptor, identity, layout, size
        self._slots: _Slots | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedReceiver, self._arguments

    def latest(self, after: int) -> tuple[int, dict[str, Tensor]] | None:
        """The newest (version, tensors), or None where nothing is newer than `after`."""
        if self._slots is None:
            self._slots = _Slots(*self._arguments)
        slots = self._slots
        slot = int(slots.header[0])
        if slot < 0 or int(slots.header[1 + slot]) <= after:
            return None
        with slots.locked(slot, fcntl.LOCK_SH):
            # Read under the lock: a writer may have come round to this slot, and then it holds a newer version.
            version = int(slots.header[1 + slot])
            return version, {name: view.clone() for name, view in slots.views(slot).items()}


class SharedBroadcast:
    """The publisher's side, owned by the process that made it."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        layout, size = _layout(tensors)
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("gnomon-weights")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())
        os.ftruncate(self.descriptor, HEADER + 2 * size)
        self._identity = _identity(self.descriptor)
        self._slots = _Slots(self.descriptor, self._identity, layout, size)
        self._slots.header.copy_(torch.tensor([-1, -1, -1]))

    def receiver(self) -> SharedReceiver:
        """The side to hand to workers."""
        return SharedReceiver(self.descriptor, self._identity, self._slots.layout, self._slots.size)

    def publish(self, version: int, tensors: dict[str, Tensor]) -> None:
        """Copy `tensors` into the slot that is not being read and make it the newest."""
        header = self._slots.header
        current = int(header[0])
        last = int(header[1 + current]) if current >= 0 else -1
        if version <= last:
            raise UserError(f"broadcast: version {version} does not follow version {last}.")
        # Before anything is written: copying would stretch, convert or leave out in silence.
        made_for = {name: (shape, dtype) for name, _, shape, dtype in self._slots.layout}
        given = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
        if given != made_for:
            odd = sorted(name for name in {*given, *made_for} if given.get(name) != made_for.get(name))
            raise ValueError(f"broadcast: {', '.join(odd)} differ in name, shape or type from what it was made for")
        slot = 1 - current if current >= 0 else 0
        with self._slots.locked(slot, fcntl.LOCK_EX):
            for name, view in self._slots.views(slot).items():
                view.copy_(tensors[name].detach())
            header[1 + slot] = version
        header[0] = slot

    def close(self) -> None:
        """Give the memory back once no worker holds it."""
        os.close(self.descriptor)
