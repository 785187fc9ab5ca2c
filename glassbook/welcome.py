"""What `glassbook up` says when everything is ready: where things are, and a first order to try."""

from glassbook.clickhouse import access
from glassbook.data_folder import DataFolder
from glassbook.settings import Settings

TEXT = """\
page        {gateway}    (API: {gateway}/docs, streams: /ws)
Kafka       {bootstrap}
ClickHouse  {clickhouse}    (reads only; {clickhouse_is})
data        {data}    logs: {logs}

A first order, in another terminal:

  .venv/bin/glassbook keys new
  .venv/bin/glassbook account register
  .venv/bin/glassbook deposit USDT 1000
  .venv/bin/glassbook order buy BTC-USDT 0.001 --price 50000
  .venv/bin/glassbook book BTC-USDT
  .venv/bin/glassbook topic tail accounts -n 3

What was traded, for anybody who speaks to ClickHouse:

  curl -sS '{clickhouse}' -d 'SELECT * FROM {database}.trades ORDER BY time DESC LIMIT 5 FORMAT PrettyCompact'
  .venv/bin/glassbook query 'SELECT symbol, count(), sum(quote_quantity) FROM trades GROUP BY symbol'

'glassbook status' shows each stage; Ctrl-C here, or 'make down' there, stops everything.
"""


def welcome(settings: Settings, folder: DataFolder) -> str:
    address = access(settings).address
    return TEXT.format(
        gateway=settings.gateway_url,
        bootstrap=settings.bootstrap_servers,
        clickhouse=address,
        clickhouse_is="from CLICKHOUSE_URL" if settings.clickhouse_url else "embedded",
        database=address.database,
        data=folder.root,
        logs=folder.logs,
    )
