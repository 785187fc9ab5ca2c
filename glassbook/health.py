"""`python -m glassbook.health STAGE`: whether a stage does its work, for the health check of its container.

Exit status 0, or 1 and a line that says why. A stage is well if its consumer group has every partition of its input;
the gateway says itself whether it can answer; of any other stage its process's life is all that can be said.
"""

import sys

from glassbook import groups
from glassbook.cluster import GATEWAY, STAGES, Stage, unanswered
from glassbook.errors import GlassbookError
from glassbook.settings import HOST, Settings, read_settings


def main() -> int:
    try:
        reason = unhealthy(_stage(sys.argv[1:]), read_settings())
    except GlassbookError as error:
        reason = str(error)
    if reason:
        print(reason, file=sys.stderr)
    return 1 if reason else 0


def _stage(arguments: list[str]) -> Stage:
    found = next((stage for stage in STAGES if [stage.name] == arguments), None)
    if found is None:
        raise GlassbookError(f"say which stage: {', '.join(stage.name for stage in STAGES)}")
    return found


def unhealthy(stage: Stage, settings: Settings) -> str:
    """Empty if all is well."""
    if stage.name == GATEWAY:
        reason = unanswered(f"http://{HOST}:{settings.gateway_port}/readyz")
        return reason and f"the gateway isn't ready: {reason}"
    inputs = {stage.group: stage.inputs} if stage.group else {}
    return groups.unready_groups(settings.bootstrap_servers, inputs)


if __name__ == "__main__":
    sys.exit(main())
