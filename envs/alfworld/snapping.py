"""AgentBench's way with an action that is not admissible: the admissible one of the highest BLEU is played instead.

Source: AgentBench, `src/server/tasks/alfworld/utils.py` (`process_action`), which scores with NLTK's `sentence_bleu`
and smoothing method 4 (Chen and Cherry 2014). Each admissible command is the reference, the model's words are the
hypothesis. Our own BLEU gives NLTK's numbers without NLTK.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

_ORDERS = 4
_LIMIT = 0.01


def snap(action: str, commands: Sequence[str]) -> str:
    """The command that AgentBench plays for an action.

    Args:
        action: the model's words; only their first line counts, in lower case.
        commands: the admissible commands; of several with the highest score the first is taken.
    """
    words = action.strip().lower().split("\n")[0]
    if not commands or words in commands:
        return words
    scores = [bleu(command.split(), words.split()) for command in commands]
    best = max(range(len(scores)), key=scores.__getitem__)
    return commands[best] if scores[best] > _LIMIT else words


def bleu(reference: Sequence[str], hypothesis: Sequence[str]) -> float:
    """BLEU of one sentence against one reference, with n-grams up to 4 and smoothing method 4 (k = 5)."""
    length = len(hypothesis)
    matches = [_matches(reference, hypothesis, n) for n in range(1, _ORDERS + 1)]
    if not length or not matches[0]:
        return 0.0
    logs = 0.0
    missing = 0
    for n, match in enumerate(matches, start=1):
        total = max(1, length - n + 1)
        if match:
            logs += math.log(match / total) / _ORDERS
        elif length > 1:
            missing += 1
            logs += math.log(math.log(length) / (2**missing * 5) / total) / _ORDERS
    brevity = 1.0 if length > len(reference) else math.exp(1 - len(reference) / length)
    return brevity * math.exp(logs)


def _matches(reference: Sequence[str], hypothesis: Sequence[str], n: int) -> int:
    ours, theirs = _grams(hypothesis, n), _grams(reference, n)
    return sum(min(count, theirs[gram]) for gram, count in ours.items())


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
