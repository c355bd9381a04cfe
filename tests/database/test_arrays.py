"""Arrays of ids in Postgres' own binary form: what arrives is what was sent."""

from uuid import UUID

import pytest

from fcs.database.arrays import UuidArray
from fcs.database.connect import Connection

FEW = [UUID(int=0), UUID(int=2**128 - 1), UUID("01890000-0000-7000-8000-000000000001")]


@pytest.mark.parametrize("ids", [[], FEW[:1], FEW, FEW * 1_000], ids=len)
async def test_ids_arrive_as_they_were_sent(db: Connection, ids: list[UUID]) -> None:
    cursor = await db.execute(
        "select %(ids)b::uuid[], cardinality(%(ids)b)", {"ids": UuidArray(ids)}
    )

    assert await cursor.fetchone() == (ids, len(ids))


async def test_they_may_come_from_a_generator(db: Connection) -> None:
    cursor = await db.execute("select %(ids)b::uuid[]", {"ids": UuidArray(id for id in FEW)})

    assert await cursor.fetchone() == (FEW,)


async def test_they_are_found_by_any_and_by_unnest(db: Connection) -> None:
    query = "select %(id)b = any(%(ids)b), array(select unnest(%(ids)b) order by 1)"
    cursor = await db.execute(query, {"id": FEW[1], "ids": UuidArray(FEW)})

    assert await cursor.fetchone() == (True, sorted(FEW))
