"""The HTTP door: tasks in and out as JSON, problem documents for whatever goes wrong.

door.py     every request passes here: guards, request ids, headers, errors
tasks.py    POST, GET, DELETE of tasks          wire.py    their form on the wire
acts.py     cancel, retry, acts in bulk         endings.py who waits for the end of a task
server.py   uvicorn in a loop that is there     listen.py  where it may be opened
"""

from fcs.http.app import create_app
from fcs.http.health import Check, Checks
from fcs.http.listen import check_listen
from fcs.http.server import serve
from fcs.http.store import Store
from fcs.http.tokens import Tokens

__all__ = ["Check", "Checks", "Store", "Tokens", "check_listen", "create_app", "serve"]
