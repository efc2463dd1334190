"""What every benchmark says about where it ran, and where it puts its result."""

import json
import os
from pathlib import Path
from typing import Any

from gnomon.runs.environment import describe
from gnomon.runs.files import write_atomic

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores, versions, and the load before the benchmark began."""
    about = describe(0)
    return {**about["machine"], "versions": about["versions"], "load": [round(x, 2) for x in os.getloadavg()]}


def save(name: str, result: dict[str, Any]) -> None:
    """Write `results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    write_atomic(RESULTS / f"{name}.json", json.dumps(result, indent=1) + "\n")
