"""Synchronous standbys: whom commits wait for, by the setting that says so.

A promise can only be built on standbys of which every single one has to confirm each commit. Where
one of several is enough, the next one may lack what this one confirmed.
"""

import re

_SETTING = re.compile(
    r"\s*(?:(?:(?:first|any)\s+)?(?P<number>\d+)\s*\((?P<counted>.*)\)|(?P<plain>.*?))\s*",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s,"()]+))\s*')


def whom_all_wait_for(setting: str) -> frozenset[str]:
    """The standbys that each commit waits for, by `synchronous_standby_names`; lower case.

    Nobody where it depends on who is there: `*`, or more names than have to confirm.
    """
    parts = _SETTING.fullmatch(setting)
    if parts is None:
        return frozenset()
    number = int(parts["number"] or 1)
    names = _names(parts["counted"] if parts["number"] else parts["plain"])
    if "*" in names or number < len(names):
        return frozenset()
    return frozenset(names)


def _names(listed: str) -> list[str]:
    names: list[str] = []
    rest = listed
    while found := _NAME.match(rest):
        names.append((found[1] or found[2]).replace('""', '"').lower())
        rest = rest[found.end() :]
        if not rest.startswith(","):
            break
        rest = rest[1:]
    return [] if rest else names
