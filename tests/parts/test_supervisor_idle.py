"""A supervisor that has nothing to do asks the database next to nothing."""

import pytest
from msgspec.structs import replace
from tests.parts.proxy import first_line, proxied
from tests.parts.stage import CALM, supervising, until_so, working

from fcs import App

EAGER = replace(CALM, survey_interval=0.05, rescan_interval=0.1)


@pytest.mark.direct  # whoever polls asks twice a second
async def test_idle_it_surveys_and_glances_and_sends_next_to_nothing_else(
    app: App, database_url: str
) -> None:
    async with (
        working(database_url, app.registry),
        proxied(database_url) as proxy,
        supervising(proxy.url, EAGER),
    ):
        await until_so(lambda: proxy.sent("glance") >= 3)
        before, glances = len(proxy.statements), proxy.sent("glance")
        await until_so(lambda: proxy.sent("glance") >= glances + 5)

        usual = [first_line("survey"), first_line("glance"), first_line("still_asleep")]
        others = [
            sent for sent in proxy.statements[before:] if not any(line in sent for line in usual)
        ]
        assert others == []
