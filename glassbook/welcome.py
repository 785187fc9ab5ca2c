"""What `glassbook up` says when everything is ready: where things are, and a first order to try."""

from glassbook.data_folder import DataFolder
from glassbook.settings import Settings

TEXT = """\
gateway   {gateway}    (API: {gateway}/docs)
Kafka     {bootstrap}
data      {data}    logs: {logs}

A first order, in another terminal:

  .venv/bin/glassbook keys new
  .venv/bin/glassbook account register
  .venv/bin/glassbook deposit USDT 1000
  .venv/bin/glassbook order buy BTC-USDT 0.001 --price 50000
  .venv/bin/glassbook book BTC-USDT
  .venv/bin/glassbook topic tail accounts -n 3

'glassbook status' shows each stage; Ctrl-C here, or 'make down' there, stops everything.
"""


def welcome(settings: Settings, folder: DataFolder) -> str:
    return TEXT.format(
        gateway=settings.gateway_url, bootstrap=settings.bootstrap_servers, data=folder.root, logs=folder.logs
    )
