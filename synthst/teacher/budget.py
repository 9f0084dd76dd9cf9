"""How many tokens a teacher that is paid by the token may still use."""

from collections.abc import Sequence

from synthst.errors import SynthstError
from synthst.teacher.protocol import Hypothesis

Translated = Sequence[tuple[str, Sequence[Hypothesis]]]


class BudgetError(SynthstError):
    """The tokens are used up; ``done`` has the sources translated since the last `translate` that ended.

    Whoever catches it stores them: they are paid for.
    """

    def __init__(self, message: str, done: Translated = ()) -> None:
        super().__init__(message)
        self.done = done

    def __reduce__(self) -> tuple[type["BudgetError"], tuple[str, Translated]]:
        """Travel whole from a worker's process."""
        return type(self), (str(self), self.done)


class Budget:
    """Count the tokens that this process has used, prompts and answers; ``limit`` None means any number."""

    def __init__(self, limit: int | None) -> None:
        self.limit, self.used = limit, 0

    @property
    def is_spent(self) -> bool:
        """Tell whether no further request may be sent."""
        return self.limit is not None and self.used >= self.limit
