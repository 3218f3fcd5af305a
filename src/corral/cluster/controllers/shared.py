"""What every controller is given."""

from __future__ import annotations

from dataclasses import dataclass, field

from corral.cluster.client.events import Events
from corral.cluster.client.informers import Informers
from corral.cluster.client.metrics import Metrics, NoMetrics
from corral.cluster.client.protocol import Client
from corral.cluster.client.times import Now, utc_now


@dataclass(slots=True)
class Shared:
    """One for all controllers of a process. `now` is turned by hand in tests."""

    client: Client
    informers: Informers = field(init=False)
    events: Events = field(init=False)
    now: Now = utc_now
    metrics: Metrics = field(default_factory=NoMetrics)

    def __post_init__(self) -> None:
        self.informers = Informers(self.client)
        self.events = Events(self.client, self.now)
