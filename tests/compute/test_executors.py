"""The contract every executor keeps, and what processes add to it: death, restart, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from gnomon.compute import WorkerDied, WorkerError, executor
from gnomon.errors import UserError


class Holder:
    """Keeps a function, and asks it."""

    def __init__(self, function):
        self.function = function

    def ask(self):
        return self.function()


class Counter:
    """A worker with a state."""

    def __init__(self, start, receiver=None):
        self.value = start
        self.receiver = receiver

    def add(self, amount):
        self.value += amount
        return self.value

    def fail(self):
        raise KeyError("the reason")

    def mistake(self):
        raise UserError("what was asked for is impossible")

    def sleep(self, seconds):
        time.sleep(seconds)

    def identity(self):
        return os.getpid(), torch.get_num_threads()

    def latest(self, after):
        found = self.receiver.latest(after)
        return None if found is None else (found[0], {k: v.tolist() for k, v in found[1].items()})

    def watch(self, until):
        """Versions seen until `until`; every tensor of a version must be filled with it."""
        seen = [-1]
        while seen[-1] < until:
            found = self.receiver.latest(seen[-1])
            if found is not None:
                version, tensors = found
                assert all((tensor == version).all() for tensor in tensors.values()), "torn"
                seen.append(version)
        return seen[1:]

    def echo(self, value):
        return value

    def read(self, receiver):
        return receiver.latest(-1)

    def append(self, items):
        items.append(1)
        return items

    def note(self, folder, number):
        (Path(folder) / str(number)).touch()
        return bytes(1_000_000)


class Unreadable:
    """Can be written down but not read back."""

    def __reduce__(self):
        return _unreadable, ()


def _unreadable():
    raise RuntimeError("cannot be read back")


class Stubborn:
    def __init__(self):
        raise RuntimeError("cannot be made")


def first_fails_last(x):
    if x < 2:
        time.sleep(0.5 - 0.5 * x)
        raise ValueError(f"the reason of {x}")
    return x


def square(x):
    if x == 13:
        raise ValueError("unlucky")
    return x * x


@pytest.fixture(params=["inline", "process"])
def workers(request):
    with executor(request.param, workers=2) as made:
        yield made


def test_a_worker_keeps_its_state_and_the_order_of_calls(workers):
    worker = workers.start(Counter, 10)
    calls = [worker.call("add", 1) for _ in range(20)]
    assert [call.result() for call in calls] == list(range(11, 31))


def test_maps_keep_the_order_of_items(workers):
    assert workers.map(square, range(12)) == [x * x for x in range(12)]
    assert workers.map(square, []) == []


def test_wait_gives_what_is_done(workers):
    worker = workers.start(Counter, 0)
    calls = {worker.call("add", 1), worker.call("add", 1)}
    while calls:
        done = workers.wait(list(calls), None)
        assert done
        calls -= set(done)
    assert workers.wait([], None) == []


def test_a_persons_mistake_comes_through_as_one(workers):
    with pytest.raises(UserError, match="impossible"):
        workers.start(Counter, 0).call("mistake").result()


def test_a_broadcast_holds_the_newest_only(workers):
    tensors = {
        "a": torch.zeros(3),
        "b": torch.zeros(2, 2, dtype=torch.bfloat16),
        "c": torch.zeros((), dtype=torch.int64),
    }
    channel = workers.broadcast(tensors)
    worker = workers.start(Counter, 0, channel.receiver())
    assert worker.call("latest", -1).result() is None
    for version in (0, 4, 5):
        channel.publish(version, {name: tensor + version for name, tensor in tensors.items()})
    expected = {"a": [5.0] * 3, "b": [[5.0] * 2] * 2, "c": 5}
    assert worker.call("latest", -1).result() == (5, expected)
    assert worker.call("latest", 4).result() == (5, expected)
    assert worker.call("latest", 5).result() is None
    with pytest.raises(UserError, match="version 5 does not follow version 5"):
        channel.publish(5, tensors)


def test_what_is_published_later_changes_nothing_taken_before():
    with executor("inline") as inline:
        tensors = {"a": torch.zeros(3)}
        channel = inline.broadcast(tensors)
        channel.publish(0, tensors)
        taken = channel.receiver().latest(-1)[1]["a"]
        tensors["a"].add_(1)
        assert taken.tolist() == [0, 0, 0]


def test_versions_are_monotone_and_never_torn():
    with executor("process", workers=1) as workers:
        channel = workers.broadcast({"a": torch.zeros(200_000), "b": torch.zeros(77)})
        watching = [workers.start(Counter, 0, channel.receiver()) for _ in range(2)]
        for worker in watching:
            worker.call("identity").result()  # both are up before the first version
        calls = [worker.call("watch", 1500) for worker in watching]
        big, small = torch.zeros(200_000), torch.zeros(77)
        for version in range(1501):
            channel.publish(version, {"a": big.fill_(version), "b": small.fill_(version)})
        for call in calls:
            seen = call.result()
            assert seen == sorted(set(seen))
            assert len(seen) > 3


def test_a_fault_in_a_worker_brings_its_traceback():
    with executor("process", workers=2) as workers:
        worker = workers.start(Counter, 0)
        with pytest.raises(WorkerError, match=r"(?s)Counter-1.*the reason"):
            worker.call("fail").result()
        assert worker.call("add", 1).result() == 1  # it goes on after a fault
        with pytest.raises(WorkerError, match="cannot be made"):
            workers.start(Stubborn).call("anything").result()
        with pytest.raises(WorkerError, match=r"(?s)item 1:.*unlucky"):
            workers.map(square, [1, 13, 2])


def test_tensors_pass_by_value_both_ways(workers):
    given = torch.arange(3)
    worker = workers.start(Counter, given)
    assert torch.equal(worker.call("add", given).result(), torch.tensor([0, 2, 4]))
    assert torch.equal(worker.call("echo", given).result(), given)
    assert given.tolist() == [0, 1, 2]


def test_arguments_and_results_are_copies(workers):
    items = []
    worker = workers.start(Counter, 0)
    assert worker.call("append", items).result() == [1]
    assert items == []


def test_a_message_that_cannot_be_read_fails_its_own_call_only(workers):
    worker = workers.start(Counter, 0)
    with pytest.raises(WorkerError, match="cannot be read back"):
        worker.call("echo", Unreadable()).result()
    assert worker.call("add", 1).result() == 1


def test_the_first_item_that_fails_is_the_one_named(workers):
    with pytest.raises(WorkerError, match=r"(?s)item 0:.*the reason of 0"):
        workers.map(first_fails_last, [0, 1, 2])


def test_a_broadcast_takes_only_what_it_was_made_for(workers):
    channel = workers.broadcast({"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.int64)})
    good = {"a": torch.ones(3), "b": torch.ones(2, dtype=torch.int64)}
    for bad in ({"a": torch.ones(1)}, {"b": torch.ones(2)}, {"c": torch.ones(1)}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            channel.publish(0, {**good, **bad})
    with pytest.raises(ValueError, match="b differ"):
        channel.publish(0, {"a": torch.ones(3)})
    assert channel.receiver().latest(-1) is None
    channel.publish(0, good)
    assert channel.receiver().latest(-1)[0] == 0


def test_large_messages_both_ways_do_not_block_each_other():
    with executor("process", workers=1) as workers:
        worker = workers.start(Counter, 0)
        calls = [worker.call("echo", bytes(1_000_000)) for _ in range(8)]
        assert [len(call.result(timeout=60)) for call in calls] == [1_000_000] * 8


def test_a_worker_goes_on_while_nobody_fetches_its_results(tmp_path):
    with executor("process", workers=1) as workers:
        worker = workers.start(Counter, 0)
        calls = [worker.call("note", str(tmp_path), number) for number in range(5)]
        end = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 5 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(list(tmp_path.iterdir())) == 5
        assert all(len(call.result()) == 1_000_000 for call in calls)


def test_wait_is_for_the_calls_asked_about():
    with executor("process", workers=1) as workers:
        worker = workers.start(Counter, 0)
        worker.call("identity").result()
        worker.call("sleep", 0.2)
        later = worker.call("sleep", 0.4)
        assert workers.wait([later], None) == [later]
        worker.call("sleep", 0.1)
        never = worker.call("sleep", 60)
        began = time.monotonic()
        assert workers.wait([never], 0.5) == []
        assert time.monotonic() - began >= 0.5
        with pytest.raises(TimeoutError, match=r"Counter-1 has not answered within 0\.1 s"):
            never.result(timeout=0.1)


def test_a_worker_outlives_the_thread_that_started_it():
    with executor("process", workers=1) as workers:
        started = []
        thread = threading.Thread(target=lambda: started.append(workers.start(Counter, 0)))
        thread.start()
        thread.join()
        assert started[0].call("add", 1).result() == 1
        time.sleep(0.2)
        assert started[0].call("add", 1).result() == 2


def test_a_call_cut_off_by_restart_or_close_says_so():
    with executor("process", workers=1) as workers:
        given = [1]
        worker = workers.start(Counter, given)
        given.append(2)
        call = worker.call("sleep", 60)
        worker.restart()
        with pytest.raises(WorkerDied, match="SIGKILL"):
            call.result()
        assert worker.call("append", []).result() == [1]
        assert worker.call("add", []).result() == [1]  # made again from the arguments as they were
        last = worker.call("sleep", 60)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        last.result()


def test_a_receiver_older_than_its_broadcast_says_so():
    with executor("process", workers=1) as workers:
        worker = workers.start(Counter, 0)
        worker.call("identity").result()
        channel = workers.broadcast({"a": torch.zeros(2)})
        with pytest.raises(WorkerError, match="started before the broadcast"):
            worker.call("read", channel.receiver()).result()


def test_workers_have_one_thread_each_and_their_own_process():
    with executor("process", workers=2) as workers:
        pids = [workers.start(Counter, 0).call("identity").result() for _ in range(2)]
        assert {threads for _, threads in pids} == {1}
        assert len({os.getpid(), *(pid for pid, _ in pids)}) == 3


def test_a_killed_worker_is_named_and_starts_again_with_the_newest_weights():
    with executor("process", workers=1) as workers:
        channel = workers.broadcast({"a": torch.zeros(2)})
        worker = workers.start(Counter, 5, channel.receiver())
        assert worker.call("add", 1).result() == 6
        calls = [worker.call("sleep", 60), worker.call("add", 1)]
        os.kill(worker.process.pid, signal.SIGKILL)
        for call in calls:
            with pytest.raises(WorkerDied, match=r"Counter-1 .*SIGKILL"):
                call.result()
        assert not worker.alive
        with pytest.raises(WorkerDied):
            worker.call("add", 1).result()
        channel.publish(3, {"a": torch.ones(2)})
        worker.restart()
        assert worker.alive
        assert worker.call("add", 1).result() == 6
        assert worker.call("latest", -1).result() == (3, {"a": [1.0, 1.0]})


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def gone(pid):
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_nothing_is_left_after_close():
    with executor("process", workers=1) as workers:
        worker = workers.start(Counter, 0)
        worker.call("sleep", 60)
        pid = worker.process.pid
    assert gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_left_after_the_parent_is_killed():
    script = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from gnomon.compute import executor\n"
        "from test_executors import Counter\n"
        "workers = executor('process', workers=1)\n"
        "worker = workers.start(Counter, 0)\n"
        "print(worker.call('identity').result()[0], flush=True)\n"
        "worker.call('sleep', 60)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    assert gone(pid)


def test_a_script_may_use_its_own_functions_and_classes(tmp_path):
    (tmp_path / "script.py").write_text(
        "from gnomon.compute import executor\n"
        "def double(x): return 2 * x\n"
        "class Keeper:\n"
        "    def __init__(self, x): self.x = x\n"
        "    def get(self): return double(self.x)\n"
        "if __name__ == '__main__':\n"
        "    with executor('process', workers=2) as workers:\n"
        "        print(workers.map(double, [1, 2, 3]), workers.start(Keeper, 5).call('get').result())\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "[2, 4, 6] 10\n", done.stderr


def test_a_script_may_send_what_it_defines_as_an_argument(tmp_path):
    (tmp_path / "script.py").write_text(
        "from functools import partial\n"
        "from gnomon.compute import executor\n"
        "from test_executors import Holder\n"
        "def double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with executor('process', workers=1) as workers:\n"
        "        print(workers.start(Holder, partial(double, 4)).call('ask').result())\n"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    run = [sys.executable, "script.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, env=path)
    assert done.stdout == "8\n", done.stderr


def test_a_script_that_starts_workers_whenever_it_is_read_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(
        "from gnomon.compute import executor\n"
        "class Keeper: pass\n"
        "with executor('process', workers=1) as workers:\n"
        "    workers.start(Keeper).call('get').result()\n"
    )
    run = [sys.executable, "script.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "UserError: A script that defines what its workers need starts them below" in done.stderr


def test_unknown_executors_are_refused():
    with pytest.raises(UserError, match="'inline' and 'process'"):
        executor("cloud")
    with pytest.raises(UserError, match="workers = 0"):
        executor("process", workers=0)
