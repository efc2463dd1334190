"""What each of two processes does in the distributed test of the probe: `python two_processes.py RANK FOLDER`."""

import json
import os
import sys
from pathlib import Path

import torch
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from gnomon.dynamics import Probe
from gnomon.dynamics import probe as probe_module

RANK, FOLDER = int(sys.argv[1]), Path(sys.argv[2])
SHARES = (slice(0, 4), slice(4, 6))


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Embedding(11, 8), nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 8), nn.Linear(8, 11)
    ).double()


def losses(model, ids):
    return nn.functional.cross_entropy(model(ids[:, :-1]).transpose(1, 2), ids[:, 1:], reduction="none")


def first_and_last(ids):
    return ["early" if row[0] < 5 else f"late {row[0]}" for row in ids.tolist()]


def events_of(model, ids, validation, gradients, run=None):
    """One step that does the same whatever the batch."""
    probe = Probe(
        model,
        losses,
        batch=validation,
        unit="token",
        every=1,
        gradients=gradients,
        include="all",
        groups=first_and_last,
        run=run,
    )
    with probe.step(1, ids), torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.mul_(1 + 0.1 * (-1) ** index)
    return probe.events


def given():
    torch.manual_seed(5)
    return torch.randint(0, 11, (6, 7)), torch.randint(0, 11, (6, 4))


def trained(probed):
    torch.manual_seed(0)
    model = DistributedDataParallel(small())
    probe = Probe(model, losses, batch=given()[1], unit="token", every=1, gradients="exact") if probed else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    torch.manual_seed(7 + RANK)
    for step in range(1, 4):
        ids = torch.randint(0, 11, (4, 7))
        pieces = ids.chunk(2)
        context = probe.step(step, pieces[0]) if probe else torch.enable_grad()
        with context:
            with model.no_sync():
                losses(model, pieces[0]).mean().backward()
            if probe:
                probe.also(pieces[1])
            losses(model, pieces[1]).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    return [parameter.detach().clone() for parameter in model.parameters()]


class Rows(list):
    def log(self, step, **values):
        self.append((step, values))


def watched_steps():
    """The steps that are probed where this process's clock runs faster than the other's."""
    now = [0.0]

    def tick():
        now[0] += 0.5 + 3 * RANK
        return now[0]

    probe_module.perf_counter = tick
    probe = Probe(small(), losses, unit="token", every=1, budget=0.05)
    for step in range(1, 60):
        now[0] += 10 * (1 + (step % 7) * RANK)
        with probe.step(step, given()[0]):
            pass
    return [event["step"] for event in probe.events]


def main():
    ids, validation = given()
    if RANK < 0:  # alone, on the joined batch
        found = {kind: events_of(small(), ids, validation, kind) for kind in ("exact", "sampled")}
    else:
        torch.distributed.init_process_group("gloo", init_method=f"file://{FOLDER}/rendezvous", rank=RANK, world_size=2)
        rows = Rows()
        share = SHARES[RANK]
        model = DistributedDataParallel(small())
        found = {"exact": events_of(model, ids[share], validation[share], "exact", run=rows), "rows": len(rows)}
        found["sampled"] = events_of(DistributedDataParallel(small()), ids[share], validation[share], "sampled")
        found["same"] = all(torch.equal(a, b) for a, b in zip(trained(False), trained(True), strict=True))
        found["steps"] = watched_steps()
        sharded = fully_shard(small())
        try:
            Probe(sharded, losses, unit="token", gradients="exact")
        except ValueError as refusal:
            found["refusal"] = str(refusal)
        found["sharded"] = events_of(sharded, ids[share], validation[share], "off")
        torch.distributed.destroy_process_group()
    (FOLDER / f"{RANK}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    main()
