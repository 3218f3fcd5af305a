"""What containers wrote: conmon's files read back, followed and rotated.

The monitor of a container appends its output to a file, whether the daemon lives or not; reading, rotating and
limiting are this package's. Nothing here writes a log line.
"""

from corral.logs.container_log import ContainerLog
from corral.logs.policy import LogPolicy, plan_policy
from corral.logs.rotate import Rotator
from corral.logs.watches import Watches

__all__ = ["ContainerLog", "LogPolicy", "Rotator", "Watches", "plan_policy"]
