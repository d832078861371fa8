"""The environment variables that a child process gets: what programs need to run, and no keys."""

from __future__ import annotations

import os
import re

_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "VIRTUAL_ENV"),
        *("ALFWORLD_DATA", "AGENTBENCH_HOME", "VERL_AGENT_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "XDG_", "PYTHON", "CONDA_", "COVERAGE_"),
    *("OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "NUMEXPR_"),
    *("CUDA", "NVIDIA_", "NCCL_", "ROCR_", "HIP_", "HSA_", "ZE_", "TRITON_", "TORCH", "PYTORCH_"),
    *("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_", "VLLM_", "RAY_", "SLURM_"),
)
_SECRET = re.compile(r"KEY|TOKEN(?!IZERS)|SECRET|JWT|PASSW|CREDENTIAL|COOKIE|AUTH", re.IGNORECASE)


def child_variables(*names: str) -> dict[str, str]:
    """Those of this process's variables that a child process may have.

    Args:
        names: others that it needs, whatever they are called.
    """
    return {name: value for name, value in os.environ.items() if name in names or _is_plain(name)}


def _is_plain(name: str) -> bool:
    return (name in _NAMES or name.startswith(_PREFIXES)) and not _SECRET.search(name)
