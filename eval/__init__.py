"""train-agent eval: scoring by a protocol that is stored with the score."""

from eval.compare import Comparison, compare
from eval.evaluate import Evaluation, evaluate
from eval.metrics import summarise
from eval.result import Result, read_result
from eval.view import write_report

__all__ = [
    "Comparison",
    "Evaluation",
    "Result",
    "compare",
    "evaluate",
    "read_result",
    "summarise",
    "write_report",
]
