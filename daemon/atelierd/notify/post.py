"""All receivers with their couriers, and the lookout: what a daemon starts and stops."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from atelierd.errors import ConfigError, WorldFault
from atelierd.ledger.notices import NoticeBox
from atelierd.notify.courier import Courier, CourierThread
from atelierd.notify.lookout import Lookout, LookoutThread
from atelierd.notify.receiver import Receiver
from atelierd.notifysettings import NotifySettings

logger = logging.getLogger(__name__)

#: How long the end of a daemon waits for what is still to be told: at a stop, and at the end of a
#: drain, after which nobody tells it until the next night.
STOP_PATIENCE, DRAIN_PATIENCE = timedelta(seconds=3), timedelta(seconds=30)


def receivers_of(settings: NotifySettings) -> list[Receiver]:
    """Return whom the configuration names. Raises ConfigError if a secret cannot be read."""
    receivers: list[Receiver] = []
    if settings.webhooks:
        # Imported here: who calls nobody needs no HTTP.
        from atelierd.notify.webhook import Webhook

        receivers += [Webhook.of(one) for one in settings.webhooks]
    if settings.email is not None:
        from atelierd.notify.mail import Mail

        receivers.append(Mail.of(settings.email))
    names = [receiver.name for receiver in receivers]
    if len(set(names)) < len(names):
        raise ConfigError("notify > webhooks: the same URL stands there twice; take one away")
    return receivers


class PostOffice:
    """Tells all receivers; without any, it does nothing."""

    def __init__(self, settings: NotifySettings) -> None:
        """Read the secrets. Raises ConfigError if one cannot be read."""
        self._settings = settings
        self._receivers = receivers_of(settings)
        self._couriers: list[CourierThread] = []
        self._lookout: Lookout | None = None
        self._looking: LookoutThread | None = None

    def start(self, ledger: Path) -> None:
        """Begin to tell what the ledger at that path notes. Raises WorldFault, ConfigError."""
        box = NoticeBox.open(ledger)
        try:
            box.enroll([receiver.name for receiver in self._receivers])
        except WorldFault as fault:
            # A full disk is no reason not to start: each courier enrolls its receiver later.
            logger.warning("the receivers of notices cannot be noted yet: %s", fault)
        if not self._receivers:
            box.close()
            return
        self._lookout = Lookout(box, self._settings.offline_after, time.monotonic)
        self._looking = LookoutThread(self._lookout, box)
        self._looking.start()
        for receiver in self._receivers:
            own = NoticeBox.open(ledger)
            courier = Courier(receiver, own, self._settings.give_up_after)
            thread = CourierThread(courier, own, f"courier to {receiver.label}")
            thread.start()
            self._couriers.append(thread)

    def change(self, settings: NotifySettings, ledger: Path) -> None:
        """Tell whom the changed settings name, with secrets read anew, from now on.

        What is on its way has a few seconds to arrive; the rest is told by the new couriers.
        Raises ConfigError if a secret cannot be read; then everything stays as it is. Raises
        WorldFault if the ledger's disk fails; called again, it goes on.
        """
        receivers = receivers_of(settings)
        if not receivers and not self._receivers:
            self._settings = settings
            return
        self.stop(drained=False)
        self._settings, self._receivers = settings, receivers
        self._couriers, self._lookout, self._looking = [], None, None
        self.start(ledger)

    def see(self, trouble: Sequence[str]) -> None:
        """Take note of what is in the daemon's way; from any thread, at no cost."""
        if self._lookout is not None:
            self._lookout.see(trouble)

    def stop(self, *, drained: bool) -> None:
        """Tell what can be told shortly; the rest is told after the next start."""
        patience = (DRAIN_PATIENCE if drained else STOP_PATIENCE).total_seconds()
        until = time.monotonic() + patience
        if self._looking is not None:
            self._looking.close(last=drained, seconds=patience)
        for courier in self._couriers:
            courier.close()
        ended = [courier.join(max(0.0, until - time.monotonic())) for courier in self._couriers]
        if not all(ended):
            logger.info("not everybody was told everything; the next start goes on with it")
