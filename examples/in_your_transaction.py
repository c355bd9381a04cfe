"""A task that is there if and when your own transaction commits: no order without its mail.

fcs work --app in_your_transaction:app &
python in_your_transaction.py
"""

import asyncio
import os

import psycopg

from fcs import App

app = App()

ORDERS = "create table if not exists orders (number integer primary key)"


@app.task
def send_mail(to: str, subject: str) -> None:
    print(f"To {to}: {subject}")


def order(number: int, customer: str) -> None:
    """Ordinary code: leaving the block commits both, an exception takes both back."""
    with psycopg.connect(os.environ["FCS_DATABASE"]) as db:
        db.execute("insert into orders (number) values (%s)", [number])
        send_mail.using(connection=db).enqueue_sync(to=customer, subject=f"Order {number}")


async def order_twice(number: int, customer: str) -> None:
    """The same with an event loop. The second order fails, and its mail is never heard of."""
    async with await psycopg.AsyncConnection.connect(
        os.environ["FCS_DATABASE"], autocommit=True
    ) as db:
        for _ in range(2):
            try:
                async with db.transaction():
                    mail = send_mail.using(connection=db)
                    task = await mail.enqueue(to=customer, subject=f"Order {number}")
                    await db.execute("insert into orders (number) values (%s)", [number])
            except psycopg.errors.UniqueViolation:
                print(f"order {number} is there already, and so is its mail")
            else:
                await task.wait(timeout=30)
    await app.close()


if __name__ == "__main__":
    with psycopg.connect(os.environ["FCS_DATABASE"]) as db:
        db.execute(ORDERS)
        db.execute("truncate orders")
    order(1, "ann@example.org")
    asyncio.run(order_twice(2, "ben@example.org"))
