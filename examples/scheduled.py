"""Tasks for later: a moment, a queue and a priority, and what a task says of itself meanwhile.

fcs work --app scheduled:app &
python scheduled.py
"""

import asyncio
from datetime import UTC, datetime, timedelta

from fcs import App

app = App()


@app.task(queue="mail")
async def remind(to: str) -> None:
    print(f"Do not forget, {to}!")


async def main() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    task = await remind.using(scheduled_at=soon, priority=5).enqueue(to="Ann")
    view = await task.view()
    print(f"task {view.id} is {view.status} until {view.scheduled_at:%H:%M:%S} UTC")

    ended = await task.wait(timeout=30)
    assert ended.started_at is not None
    assert ended.started_at >= soon  # never early, by the database's clock
    print(f"task {ended.id} {ended.status}")

    # Many at once, all of them or none.
    await remind.enqueue_many({"to": name} for name in ("Ben", "Eve", "Dan"))
    await app.close()


if __name__ == "__main__":
    asyncio.run(main())
