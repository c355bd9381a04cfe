"""fcs in a program without an event loop: plain functions, and the twins that end in `_sync`.

fcs work --app plain_functions:app &
python plain_functions.py
"""

import time
from dataclasses import dataclass
from datetime import date

from fcs import App, InvalidArguments, TaskFailed

app = App()


@dataclass
class Customer:
    name: str
    since: date


@app.task
def make_report(customer: Customer, pages: int = 1) -> None:
    """A plain function runs in a thread of the worker, so it may block."""
    if pages > 100:
        raise ValueError("nobody reads that")
    time.sleep(0.01 * pages)
    print(f"{customer.name}, with us since {customer.since}: {pages} pages")


def main() -> None:
    ann = Customer("Ann", since=date(2020, 2, 29))
    tasks = make_report.enqueue_many_sync({"customer": ann, "pages": n} for n in range(1, 6))
    for task in tasks:
        task.wait_sync(timeout=30)
    print(f"{len(tasks)} reports are made")

    too_long = make_report.enqueue_sync(ann, pages=1_000)
    try:
        too_long.wait_sync(timeout=30)
    except TaskFailed as error:
        print(error)

    form = {"customer": {"name": "Ben", "since": "yesterday"}}
    try:
        make_report.enqueue_many_sync([form])
    except InvalidArguments as error:
        print(error)


if __name__ == "__main__":
    main()
