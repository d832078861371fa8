"""`train-agent compare`: two results on the same tasks."""

from __future__ import annotations

import json
from pathlib import Path

from configs import CompareConfig
from eval.compare import compare
from eval.result import find_result
from eval.tables import print_comparison


def run(config: CompareConfig) -> int:
    """Compare. Returns 0."""
    a, b = (find_result(Path(path), config.protocol) for path in (config.a, config.b))
    found = compare(a, b, force=config.force)
    if config.json:
        print(json.dumps(found.to_dict()))
    else:
        print_comparison(found, names=(config.a, config.b))
    return 0
