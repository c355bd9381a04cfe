"""A function's signature decides which arguments pass, when they are packed, checked and bound."""

import enum
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from fcs.domain.errors import InvalidArguments, InvalidInput, InvalidJson
from fcs.registry import InvalidTaskType, TaskType

if TYPE_CHECKING:
    from fractions import Fraction

PHOTO = UUID("205109a7-bcd4-4106-a960-ab45b4c42df8")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Crop:
    x: int
    y: int = 0


class Limits(TypedDict, total=False):
    memory: int


class Frame(msgspec.Struct, forbid_unknown_fields=True):
    width: Annotated[int, Meta(gt=0)]


@dataclass
class Half:
    """One of its fields is known to people who check types, and not at run time."""

    of: "Fraction"


class Pair(NamedTuple):
    of: "Fraction"


@dataclass
class Lost:
    of: "enum.nope"  # type: ignore[name-defined]


class Markup(str):
    """As templates make it: each method, `__str__` too, gives a Markup again."""

    __slots__ = ()

    def __str__(self) -> "Markup":
        return self


class Metres(int):
    def __int__(self) -> "Metres":
        return self


class Share(float):
    def __float__(self) -> "Share":
        return self


class Model:
    """Looks to fcs as a model of pydantic does."""

    def __init__(self, n: int) -> None:
        self.n = n

    @classmethod
    def model_validate_json(cls, text: bytes) -> "Model":
        value = msgspec.json.decode(text)
        if not isinstance(value, dict) or not isinstance(value.get("n"), int):
            raise ValueError("n must be an integer")
        return cls(value["n"])

    def model_dump_json(self, *, by_alias: bool = False) -> str:
        return f'{{"n": {self.n}}}'

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"type": "object", "properties": {"n": {"type": "integer"}}}


class Aliased(Model):
    """One whose field has an alias: it is read by that, and written by it when asked to."""

    @classmethod
    def model_validate_json(cls, text: bytes) -> "Aliased":
        return cls(msgspec.json.decode(text)["N"])

    def model_dump_json(self, *, by_alias: bool = False) -> str:
        return f'{{"{"N" if by_alias else "n"}": {self.n}}}'


async def resize(  # type: ignore[no-untyped-def]
    photo: UUID,
    width: Annotated[int, Meta(gt=0)] = 800,
    *,
    crop: Crop | None = None,
    frame: Frame | None = None,
    colour: Colour = Colour.RED,
    mode: Literal["fast", "good"] = "good",
    at: datetime | None = None,
    price: Decimal = Decimal("1.50"),
    limits: Limits | None = None,
    model: Model | None = None,
    tags: list[str] = [],  # noqa: B006 - the default stays out of the JSON
    counts: dict[str, int] | None = None,
    extra=None,
) -> None:
    """Resize a photo
    to a width.

    More is told here.
    """


@pytest.fixture(scope="module")
def resizing() -> TaskType:
    return TaskType(resize)


def test_a_type_is_named_and_described_by_its_function(resizing: TaskType) -> None:
    assert resizing.name == "resize"
    assert resizing.doc == "Resize a photo to a width."
    assert resizing.is_async
    assert not TaskType(_plain).is_async
    assert TaskType(_plain, name="mail.send").name == "mail.send"
    assert (resizing.queue, resizing.priority) == ("default", 0)


def test_a_call_is_packed_as_given_and_nothing_else(resizing: TaskType) -> None:
    assert resizing.pack(PHOTO) == b'{"photo":"205109a7-bcd4-4106-a960-ab45b4c42df8"}'
    assert resizing.pack(PHOTO, 5) == resizing.pack(width=5, photo=PHOTO)
    assert TaskType(_nothing).pack() == b"{}"


def test_values_come_back_as_they_went(resizing: TaskType) -> None:
    given = {
        "photo": PHOTO,
        "width": 5,
        "crop": Crop(1, 2),
        "frame": Frame(3),
        "colour": Colour.BLUE,
        "mode": "fast",
        "at": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "price": Decimal("2.50"),
        "limits": {"memory": 7},
        "tags": ["a", "b"],
        "counts": {"x": 1},
        "extra": {"any": [None, 1.5, True]},
    }
    assert resizing.bind(resizing.pack(**given)) == given


def test_a_model_comes_back_as_a_model(resizing: TaskType) -> None:
    bound = resizing.bind(resizing.pack(PHOTO, model=Model(3)))
    assert isinstance(bound["model"], Model)
    assert bound["model"].n == 3


def _aliased(model: Aliased) -> Aliased: ...  # type: ignore[empty-body]


def test_a_model_is_written_by_the_names_that_it_is_read_by() -> None:
    task_type = TaskType(_aliased)
    packed = task_type.pack(Aliased(3))
    assert packed == b'{"model":{"N":3}}'
    assert task_type.bind(packed)["model"].n == 3
    assert task_type.read_result(task_type.write_result(Aliased(4))).n == 4


SUBCLASSES: list[tuple[Any, Any]] = [
    (Markup("<b>"), "<b>"),
    (Metres(3), 3),
    (Share(0.5), 0.5),
    ([{"a": Markup("b")}], [{"a": "b"}]),
    ({Metres(3): 1}, {"3": 1}),
]


@pytest.mark.parametrize(("value", "plain"), SUBCLASSES)
def test_text_and_numbers_of_classes_of_their_own_travel_as_what_they_are(
    value: Any, plain: Any
) -> None:
    task_type = TaskType(_anything)
    assert task_type.bind(task_type.pack(value)) == {"value": plain}
    assert msgspec.json.decode(task_type.write_result(value)) == plain


def test_no_nan_hides_in_a_class_of_its_own(resizing: TaskType) -> None:
    with pytest.raises(InvalidArguments, match="'extra' holds nan"):
        resizing.pack(PHOTO, extra=[Share("nan")])


def test_what_cannot_be_written_is_named_by_its_type(resizing: TaskType) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        resizing.pack(PHOTO, extra=[range(3)])
    assert str(refusal.value) == (
        "Task type 'resize': argument 'extra' cannot be written as JSON:"
        " there is no way to write `range`."
    )
    with pytest.raises(InvalidInput) as refused:
        resizing.write_result(range(3))
    assert str(refused.value) == ("it cannot be written as JSON: there is no way to write `range`")


def test_exact_numbers_stay_exact(resizing: TaskType) -> None:
    text = b'{"photo":"%s","price":1.234567890123456789012345}' % str(PHOTO).encode()
    assert resizing.bind(resizing.check(text))["price"] == Decimal("1.234567890123456789012345")


def test_left_out_arguments_are_left_to_the_function(resizing: TaskType) -> None:
    assert resizing.bind(b'{"photo":"205109a7-bcd4-4106-a960-ab45b4c42df8"}') == {"photo": PHOTO}


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        ((), {}, "/photo"),
        ((PHOTO, "5"), {}, "/width"),
        ((PHOTO, True), {}, "/width"),
        ((PHOTO, 5.0), {}, "/width"),
        ((PHOTO, None), {}, "/width"),
        ((PHOTO, 0), {}, "/width"),
        (("no uuid",), {}, "/photo"),
        ((PHOTO,), {"photo": PHOTO}, "/photo"),
        ((PHOTO,), {"widht": 1}, "/widht"),
        ((PHOTO,), {"ty": "resize"}, "/ty"),
        ((PHOTO,), {"tags": ["a", 1]}, "/tags/1"),
        ((PHOTO,), {"crop": {"x": "one"}}, "/crop/x"),
        ((PHOTO,), {"frame": {"width": 1, "height": 2}}, "/frame/height"),
        ((PHOTO,), {"frame": Frame(0)}, "/frame/width"),
        ((PHOTO,), {"counts": {"a": "b"}}, "/counts"),
        ((PHOTO,), {"colour": "green"}, "/colour"),
        ((PHOTO,), {"mode": "bad"}, "/mode"),
        ((PHOTO,), {"model": {"n": "x"}}, "/model"),
        ((PHOTO,), {"extra": float("nan")}, "/extra"),
        ((PHOTO,), {"extra": {"a": [float("inf")]}}, "/extra"),
        ((PHOTO,), {"extra": object()}, "/extra"),
        ((PHOTO,), {"extra": "\ud800"}, "/extra"),
        ((PHOTO,), {"extra": 10**5_000}, "/extra"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    resizing: TaskType, args: tuple[Any, ...], kwargs: dict[str, Any], place: str
) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        resizing.pack(*args, **kwargs)
    assert [problem.pointer for problem in refusal.value.problems] == [place]
    assert "resize" in str(refusal.value) or "'extra'" in str(refusal.value)


def test_too_many_positional_arguments_are_refused(resizing: TaskType) -> None:
    with pytest.raises(InvalidArguments, match="takes 2 arguments by position; 3 were given"):
        resizing.pack(PHOTO, 1, 2)


@pytest.mark.parametrize("value", ["a\0b", {"a": {1: 1, "1": 2}}])
def test_what_postgres_or_others_cannot_read_is_refused(resizing: TaskType, value: object) -> None:
    with pytest.raises(InvalidJson):
        resizing.pack(PHOTO, extra=value)


def test_bottomless_values_are_refused(resizing: TaskType) -> None:
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(InvalidArguments, match="'extra' cannot be written"):
        resizing.pack(PHOTO, extra=ring)

    deep: object = 1
    for _ in range(70):
        deep = [deep]
    with pytest.raises(InvalidJson, match="nested"):
        resizing.pack(PHOTO, extra=deep)


def test_none_is_still_allowed_beside_the_search_for_nan(resizing: TaskType) -> None:
    packed = resizing.pack(PHOTO, extra=[None, 1.5], model=Model(1), counts=None)
    assert resizing.bind(packed)["extra"] == [None, 1.5]


def test_a_typo_gets_a_hint(resizing: TaskType) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        resizing.pack(PHOTO, widht=1)
    assert refusal.value.hint == "Did you mean 'width'?"


def test_an_error_says_which_arguments_there_are() -> None:
    with pytest.raises(InvalidArguments) as refusal:
        TaskType(_plain).pack(zzz=1)
    assert refusal.value.hint == "'_plain' takes to, subject."


@pytest.mark.parametrize("text", [b"[]", b"null", b'{"to":1}', b"{", b"\xff", b"[" * 100_000])
def test_rows_that_do_not_fit_are_refused_before_begin(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        TaskType(_plain).bind(text)
    with pytest.raises(InvalidInput):
        TaskType(_plain).check(text)


def test_json_from_outside_is_read_strictly() -> None:
    assert TaskType(_plain).check(b' {"to": "a"} ') == b'{"to":"a"}'
    for text in (b'{"to":"a","to":"b"}', b'{"to":"\\u0000"}'):
        with pytest.raises(InvalidJson):
            TaskType(_plain).check(text)


def test_the_tag_may_come_along_but_must_be_right() -> None:
    mailing = TaskType(_plain)
    assert mailing.check(b'{"to":"a","ty":"_plain"}') == b'{"to":"a"}'
    assert TaskType(_nothing).normalise(b'{"ty":"_nothing"}') == b"{}"
    with pytest.raises(InvalidArguments):
        mailing.check(b'{"to":"a","ty":"other"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text("abc:\\é\u2028"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc:"), inner),
    max_leaves=10,
)


@given(json_values)
def test_any_json_passes_through_an_open_parameter(value: object) -> None:
    opening = TaskType(_anything)
    packed = opening.pack(value)
    assert opening.bind(packed) == {"value": value}
    assert opening.check(packed) == packed


def _plain(to: str, subject: str = "") -> None: ...
def _nothing() -> None: ...
def _anything(value: Any) -> None: ...


def _ty(ty: str) -> None: ...
def _star(*args: int) -> None: ...
def _stars(**kwargs: int) -> None: ...
def _positional(x: int, /) -> None: ...
def _foreign(x: range) -> None: ...
def _foreign_inside(x: dict[str, list[range]]) -> None: ...
def _ambiguous(x: Crop | Frame) -> None: ...
def _unresolvable(x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _half(x: Half) -> None: ...
def _pairs(x: list[Pair]) -> None: ...
def _lost(x: Lost) -> None: ...
def _nope(x: "enum.nope") -> None: ...  # type: ignore[name-defined]
def _in_words(x: "how often") -> None: ...  # type: ignore[valid-type]  # noqa: F722
def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (_ty, "'ty': that name tells the type"),
        (_star, "'args': arguments travel by name"),
        (_stars, "'kwargs': arguments travel by name"),
        (_positional, "'x': arguments travel by name"),
        (_foreign, "'x': there is no way to read `range`"),
        (_foreign_inside, "'x': there is no way to read `range`"),
        (_ambiguous, "'x': Type unions may not contain more than one"),
        (_unresolvable, "name 'Nowhere' is not defined"),
        (_half, "'_half', parameter 'x': name 'Fraction' is not defined"),
        (_pairs, "'_pairs', parameter 'x': name 'Fraction' is not defined"),
        (_lost, "'_lost', parameter 'x': module 'enum' has no attribute 'nope'"),
        (_nope, "'_nope': an annotation cannot be resolved: module 'enum' has no attribute"),
        (_in_words, "'_in_words': an annotation cannot be resolved: Forward reference"),
        (_generator, "is a generator"),
        (lambda: None, "is not the name of a task type"),
        (print, "from a function"),
        (Crop, "from a function"),
    ],
)
def test_functions_that_cannot_be_tasks_are_refused_at_once(
    function: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(InvalidTaskType) as refusal:
        TaskType(function)
    assert reason in str(refusal.value)


def _returns_half() -> Half: ...  # type: ignore[empty-body]
def _returns_pair() -> Pair: ...  # type: ignore[empty-body]
def _returns_lost() -> Lost: ...  # type: ignore[empty-body]
def _returns_unknown() -> "Fraction": ...  # type: ignore[empty-body]
def _returns_list_of_unknown() -> "list[Fraction]": ...  # type: ignore[empty-body]
def _returns_nope() -> "enum.nope": ...  # type: ignore[name-defined]
def _returns_words() -> "what it found": ...  # type: ignore[valid-type]  # noqa: F722


@pytest.mark.parametrize(
    "function",
    [
        _returns_half,
        _returns_pair,
        _returns_lost,
        _returns_unknown,
        _returns_list_of_unknown,
        _returns_nope,
        _returns_words,
    ],
)
def test_a_result_whose_type_is_not_known_at_run_time_is_read_as_plain_values(
    function: Callable[..., Any],
) -> None:
    assert TaskType(function).read_result('{"of":1}') == {"of": 1}


def test_parameters_are_checked_also_where_the_result_is_not_known_at_run_time() -> None:
    def total(price: Decimal, crop: "Crop") -> "Fraction": ...  # type: ignore[empty-body]

    @functools.wraps(total)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return total(*args, **kwargs)

    task_type = TaskType(decorated)
    given = {"price": Decimal("1.5"), "crop": Crop(1)}
    assert task_type.bind(task_type.pack(**given)) == given
    with pytest.raises(InvalidArguments, match="crop"):
        task_type.pack(price=Decimal("1.5"), crop=7)


class Shop:
    def open(self, day: str) -> None: ...

    @classmethod
    def close(cls, day: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "first"), [(Shop.open, "self"), (Shop.__dict__["close"].__func__, "cls")]
)
def test_a_function_of_a_class_is_refused_with_what_to_do(
    function: Callable[..., Any], first: str
) -> None:
    with pytest.raises(InvalidTaskType, match=f"takes {first!r}") as refusal:
        TaskType(function)
    assert "out of its class" in refusal.value.hint
    assert "fcs.Context" in refusal.value.hint


def test_a_method_that_is_bound_has_its_object_already() -> None:
    assert TaskType(Shop().open).pack("monday") == b'{"day":"monday"}'


@pytest.mark.parametrize("name", ["", "1st", "a b", "a\n", "a\0", "ü", "x" * 201])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidTaskType):
        TaskType(_plain, name=name)


@pytest.mark.parametrize("options", [{"queue": ""}, {"queue": "a b"}, {"priority": 101}])
def test_odd_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTaskType):
        TaskType(_plain, **options)


# Limit keys


def key_of(value: object) -> str:
    def greet(customer: Any = "nobody") -> None: ...

    task_type = TaskType(greet, limit_by="customer")
    return task_type.limit_key_of(task_type.pack(value))


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("ann", "ann"),
        (7, "7"),
        (True, "true"),
        (UUID(int=7), str(UUID(int=7))),
        ([1, "a"], '[1,"a"]'),
        (None, ""),
        ("", ""),
    ],
)
def test_the_limit_key_is_the_argument_as_text(value: object, key: str) -> None:
    assert key_of(value) == key


def test_an_argument_that_is_left_out_has_its_default_as_limit_key() -> None:
    def greet(customer: str = "nobody") -> None: ...

    assert TaskType(greet, limit_by="customer").limit_key_of(b"{}") == "nobody"


def test_a_type_without_limit_by_has_no_limit_key() -> None:
    def greet(customer: str) -> None: ...

    assert TaskType(greet).limit_key_of(b'{"customer":"ann"}') == ""


@pytest.mark.parametrize("value", ["x" * 201, "a\nb", list(range(100))])
def test_an_argument_that_cannot_be_a_limit_key_is_refused(value: object) -> None:
    with pytest.raises(InvalidArguments, match="limit_by") as caught:
        key_of(value)
    assert [problem.pointer for problem in caught.value.problems] == ["/customer"]


def test_limit_by_must_name_a_parameter() -> None:
    def greet(customer: str) -> None: ...

    with pytest.raises(InvalidTaskType, match="'custmer'") as caught:
        TaskType(greet, limit_by="custmer")
    assert caught.value.hint == "Did you mean 'customer'?"
