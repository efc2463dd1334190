"""Fixtures that more than one room's tests use."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from typer.testing import CliRunner, Result


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def gnomon():
    """Run the command line in this process: `gnomon("tasks", "list")` gives exit code, stdout and stderr."""
    from gnomon.cli import build
    from gnomon.errors import UserError

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(build(), list(arguments))
        if isinstance(result.exception, UserError):
            result.exit_code = 2
            result.stderr_bytes = (result.stderr_bytes or b"") + f"error: {result.exception}".encode()
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
