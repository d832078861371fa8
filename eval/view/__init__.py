"""The transcript viewer: a run as one HTML file that opens from disk, without a network."""

from eval.view.report import write_report
from eval.view.strings import token_strings

__all__ = ["token_strings", "write_report"]
