"""Strict JSON: what passes is read alike by everybody; what does not is named, with its place."""

import json as stdlib
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fcs.domain.errors import InvalidJson, PayloadTooLarge
from fcs.domain.json import DEPTH_MAX, DIGITS_MAX, parse, pointer

REFUSED = {
    "nothing": (b"", "line 1 column 1"),
    "only space": (b"  ", "not valid JSON"),
    "trailing data": (b"{} x", "Extra data, line 1 column 4"),
    "two values": (b"{}{}", "Extra data"),
    "trailing NUL": (b"{}\x00", "Extra data"),
    "trailing comma": (b"[1,]", "not valid JSON"),
    "comment": (b"[1/**/]", "line 1 column 3"),
    "single quotes": (b"['a']", "not valid JSON"),
    "leading zero": (b"[01]", "not valid JSON"),
    "leading plus": (b"[+1]", "not valid JSON"),
    "unknown escape": (b'["\\x41"]', "escape"),
    "raw control character": (b'["\n"]', "control character"),
    "raw NUL": (b'["\x00"]', "control character"),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "UTF-16": ("{}".encode("utf-16"), "not UTF-8"),
    "stray byte": (b'["\xff"]', "at byte 2"),
    "overlong NUL": (b'["\xc0\x80"]', "at byte 2"),
    "surrogate in UTF-8": (b'["\xed\xa0\x80"]', "at byte 2"),
    "cut character": (b'["\xe2\x82"]', "not UTF-8"),
    "NaN": (b'{"a":NaN}', "NaN is not JSON"),
    "infinity": (b"[Infinity]", "Infinity is not JSON"),
    "minus infinity": (b"[-Infinity]", "-Infinity is not JSON"),
    "depth 65": (b"[" * 65 + b"]" * 65, "nested"),
    "depth 65 of objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "nested"),
    "depth 5,000": (b"[" * 5_000 + b"]" * 5_000, "nested"),
    "depth 100,000": (b"[" * 100_000 + b"]" * 100_000, "nested"),
    "unclosed depth": (b"[" * 100_000, "nested"),
}

REFUSED_AT = {
    "key twice": (b'{"a":1,"b":{"c":1,"c":2}}', "/b/c"),
    "key twice, once escaped": (b'{"a":1,"\\u0061":2}', "/a"),
    "key twice, colon hidden": (b'{"a":1,"a":"\\u003a"}', "/a"),
    "key twice, colons around": (b'{"a:":":","a:":":::"}', "/a:"),
    "key twice, odd name": (b'{"a/b~c":1,"a/b~c":2}', "/a~1b~0c"),
    "1e400": (b'{"a":[1,1e400]}', "/a/1"),
    "-1e400": (b"[-1e400]", "/0"),
    "exponent beyond reason": (b"[1e99999999999999999999]", "/0"),
    "4,001 digits": (b'{"n":' + b"9" * 4_001 + b"}", "/n"),
    "5,000 digits": (b'{"n":-' + b"9" * 5_000 + b"}", "/n"),
    "NUL escaped": (b'{"a":["x\\u0000"]}', "/a/0"),
    "NUL in a key": (b'{"a":{"\\u0000":1}}', "/a"),
    "high surrogate": (b'["\\ud800"]', "/0"),
    "low surrogate": (b'["\\udc00"]', "/0"),
    "surrogates reversed": (b'["\\udc00\\ud800"]', "/0"),
    "high surrogate and a letter": (b'["\\ud800\\u0041"]', "/0"),
    "surrogate in a key": (b'{"k":{"\\ud800":1}}', "/k"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_json_is_refused_with_a_reason(name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(InvalidJson, match=re.escape(reason)):
        parse(text)


@pytest.mark.parametrize("name", REFUSED_AT)
def test_what_not_everybody_can_read_is_refused_with_its_place(name: str) -> None:
    text, place = REFUSED_AT[name]
    with pytest.raises(InvalidJson) as refusal:
        parse(text)
    assert [problem.pointer for problem in refusal.value.problems] == [place]


@pytest.mark.parametrize(
    "text",
    [
        b'{"ty":"baz"}',
        b' {"a":1,"b":[true,false,null,-0.5e-3]} ',
        b'{"url":"http://a:1/","a:b":":","nested":{"a":":"}}',
        b'{"a":{"k":1},"b":{"k":1}}',
        b'["\\ud83d\\ude00"]',
        b'["\\\\u0000"]',
        b'["\\u00e9"]',
        b'["\\u003a"]',
        b'{"":0}',
        b"[" + b"9" * DIGITS_MAX + b"]",
        b'["' + b"9" * 5_000 + b'"]',
        b"[0." + b"1" * 5_000 + b"]",
        b"[1e-400]",
        b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
        b"{" + b",".join(b'"k%d":{"x":"1:2"}' % n for n in range(500)) + b"}",
        b"7",
    ],
)
def test_harmless_json_is_read(text: bytes) -> None:
    assert parse(text) == stdlib.loads(text)


def test_size_is_limited() -> None:
    assert parse(b"[1,2]", bytes_max=5) == [1, 2]
    with pytest.raises(PayloadTooLarge, match="5 bytes; the limit is 4"):
        parse(b"[1,2]", bytes_max=4)


def test_many_long_numbers_are_looked_through_once() -> None:
    """A search that starts anew at every digit would take a thousand times as long here."""
    text = b"[" + b",".join([b"9" * DIGITS_MAX] * 200) + b"]"
    assert len(parse(text)) == 200


def test_pointer_escapes_its_steps() -> None:
    assert pointer("a/b", 0, "~") == "/a~1b/0/~0"
    assert pointer() == ""


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_characters="\0", codec="utf-8")) | st.sampled_from(
    [":", "a", "\\", "\\u0000", '"', "://"]
)
values = st.recursive(
    plain | words, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=30
)


@given(values, st.booleans())
def test_what_python_writes_passes_unchanged(value: Any, ascii_only: bool) -> None:
    text = stdlib.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(text) == value


keys = st.sampled_from(["a", "b", ":", "a:", "\\u0061", "\\u003a", "x\\u003A"])
leaves = st.sampled_from(["1", '":"', '"::"', '"\\u003a"', '"\\u003A:"', "{}", "[]", "null"])


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"


objects = st.recursive(
    leaves,
    lambda inner: (
        st.lists(st.tuples(keys, inner), max_size=4).map(_object)
        | st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
    ),
    max_leaves=12,
)


@given(objects)
@example('{"a":"::","a":1}')
def test_a_key_given_twice_is_always_found(text: str) -> None:
    twice = False

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = twice or len(dict(found)) < len(found)
        return dict(found)

    value = stdlib.loads(text, object_pairs_hook=pairs)
    if twice:
        with pytest.raises(InvalidJson, match="twice"):
            parse(text.encode())
    else:
        assert parse(text.encode()) == value


@given(st.binary(max_size=60) | st.text('{}[]":,\\u0d8efN1.-', max_size=60).map(str.encode))
def test_whatever_comes_is_either_read_or_refused(text: bytes) -> None:
    try:
        value = parse(text)
    except InvalidJson as refusal:
        str(refusal).encode()  # fit to be sent
    else:
        stdlib.dumps(value, allow_nan=False)
