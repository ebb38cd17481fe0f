"""A service's instances as seen by a process that is none of them: the dashboard alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fanlight.core.frame import Frame
from fanlight.core.sections import Instance
from fanlight.stores.fleet import Fleet


class Observer(Fleet):
    """Follows the service and writes nothing to its store but commands.

    What happens to the dashboard itself (who was refused, what failed) stays in its own window, and is shown.
    """

    def announce(self) -> None:
        """There is nobody to announce."""

    def publish(self, frame: Frame, breathe: Callable[[], None]) -> None:
        """Keep it here: these seconds are no instance's."""

    def instances(self) -> Sequence[Instance]:
        return tuple(instance for instance in super().instances() if not instance.this)

    def close(self) -> None:
        """Nothing to say goodbye to."""
