"""The steps of a call in the order they were taken, one letter each, so that the order itself can be proved."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """What stands around one call, from the outside in."""

    VALIDATE = "A"
    DEADLINE = "B"
    DEDUPE = "C"
    CANDIDATE = "D"
    GATE = "E"
    TRY = "F"
    BUDGET = "G"
    SLOT = "H"
    LIMIT = "I"
    BREAKER = "J"
    INTENT = "K"
    TIMEOUT = "L"
    SEND = "M"
    CLASSIFY = "N"
    FEEDBACK = "O"
    RECORD = "P"
    DECIDE = "Q"
    END = "R"


class Trace:
    """Grows while the call runs."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, *steps: Step) -> None:
        """Note steps that were taken."""
        self._steps.extend(steps)

    def ended(self) -> str:
        """The letters of a call that ends with what is being written now."""
        return f"{self}{Step.DECIDE}{Step.END}" if str(self).endswith(Step.RECORD) else f"{self}{Step.END}"

    def __str__(self) -> str:
        return "".join(self._steps)


def names(trace: str) -> list[str]:
    """The steps behind the letters, as words."""
    return [Step(letter).name.lower() for letter in trace]
