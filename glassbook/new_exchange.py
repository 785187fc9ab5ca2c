"""What brokers need before a stage can start on them: the topics, genesis on every partition, the first markets.

`glassbook up` does it on its own brokers, `glassbook init` on those of GLASSBOOK_BOOTSTRAP_SERVERS. Done again, it
changes nothing.
"""

from glassbook import topics_admin
from glassbook.kafka_config import replication
from glassbook.operator import initialise
from glassbook.settings import Settings
from schemas.topics import topics

TOPICS_S = 90


def make_topics(settings: Settings, brokers: int) -> str:
    """Says how many there are, when every partition can be written to."""
    wanted = topics(settings.account_partitions, settings.order_partitions, replication(brokers))
    topics_admin.create_topics(settings.bootstrap_servers, wanted, TOPICS_S)
    return f"{len(wanted)} topics, {sum(topic.partitions for topic in wanted)} partitions"


def make_exchange(settings: Settings) -> None:
    """Genesis and the markets of `settings.listing`, for an exchange that has none."""
    initialise(settings, settings.listing)
