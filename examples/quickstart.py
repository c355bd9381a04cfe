"""A task of your own: declare it, create it, wait for it.

In this folder, with FCS_DATABASE set and `fcs supervise` running somewhere:

    fcs work --app quickstart:app &
    python quickstart.py
"""

import asyncio

from fcs import App

app = App()  # the database is the one that FCS_DATABASE names


@app.task
async def greet(name: str) -> None:
    print(f"Hello, {name}!")  # the worker prints this


async def main() -> None:
    task = await greet.enqueue(name="Ann")  # it is on disk when this returns
    ended = await task.wait(timeout=30)
    print(f"task {ended.id} {ended.status}, started by worker {ended.worker_id}")
    await app.close()


if __name__ == "__main__":
    asyncio.run(main())
