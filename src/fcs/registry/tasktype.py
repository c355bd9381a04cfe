"""A task type: a function, its name, and its arguments on the way to JSON and back."""

import inspect
from collections.abc import Callable, Collection, Mapping
from math import isfinite
from typing import Any, Final, Unpack

import msgspec
from msgspec import UNSET, structs

from fcs.domain import json
from fcs.domain.errors import InvalidArguments, InvalidInput, PayloadTooLarge, Problem
from fcs.domain.given import require, shown
from fcs.domain.json import pointer
from fcs.domain.outcome import USUAL_BACKOFF
from fcs.domain.task import DEFAULT_QUEUE
from fcs.domain.text import safe_text
from fcs.registry import models
from fcs.registry.names import check_limit_key, check_priority, check_queue, is_type_name
from fcs.registry.options import (
    ErrorTypes,
    TaskOptions,
    check_attempts,
    check_backoff,
    check_cpu,
    check_isolation,
    check_memory,
    check_names,
    check_on_interrupt,
    check_timeout,
)
from fcs.registry.problems import invalid_arguments, near_match
from fcs.registry.signature import (
    DISCRIMINATOR,
    InvalidTaskType,
    arguments_of,
    injected_of,
    record_of,
    result_type,
    summary,
)

_ENCODER = msgspec.json.Encoder(enc_hook=models.write)

_LIMIT_BY: Final = "It names the parameter to tell apart by."

RESULT_BYTES_MAX: Final = 64 * 1024


class TaskType:
    """What `ty` stands for. The name is the function's own unless `name` gives another.

    Parameters annotated with one of `injects` are no arguments: they are `injected` by whoever
    runs the body.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        injects: Collection[Any] = (),
        **options: Unpack[TaskOptions],
    ) -> None:
        self.function = function
        self.name = _checked_name(function, options.get("name"))
        self.is_async = inspect.iscoroutinefunction(function)
        self.doc = summary(function)
        try:
            self._take(options)
        except InvalidInput as error:
            raise InvalidTaskType(f"Task {self.name!r}: {error}", hint=error.hint) from None

        self.injected = injected_of(self.name, function, injects)
        self._parameters = arguments_of(function, self.injected)
        self.record = record_of(self.name, function, self._parameters)
        self._result_type = result_type(function)
        self._fields = self.record.__struct_fields__
        self._has_defaults = bool(self.record.__struct_defaults__)
        self._positional = [
            parameter.name
            for parameter in self._parameters
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        self.limit_by = self._checked_parameter(options.get("limit_by"))
        self._decoder = msgspec.json.Decoder(self.record, dec_hook=models.read)
        self._tag = msgspec.json.encode({DISCRIMINATOR: self.name})[:-1]

    def _take(self, options: TaskOptions) -> None:
        check_names(options)
        self.queue = check_queue(options.get("queue", DEFAULT_QUEUE))
        require("limit_by", options.get("limit_by") or "", str, wanted="text", hint=_LIMIT_BY)
        self.priority = check_priority(options.get("priority", 0))
        self.max_attempts = check_attempts(options.get("max_attempts", 1))
        self.backoff = check_backoff(options.get("backoff", USUAL_BACKOFF))
        self.give_up_on = _checked_exceptions(options.get("give_up_on", ()))
        self.timeout = check_timeout(options.get("timeout"))
        self.on_interrupt = check_on_interrupt(options.get("on_interrupt", "interrupt"))
        self.isolation = check_isolation(options.get("isolation"), is_async=self.is_async)
        self.memory_max = check_memory(options.get("memory_max"), self.isolation)
        self.cpu_max = check_cpu(options.get("cpu_max"), self.isolation)

    def _checked_parameter(self, limit_by: str | None) -> str | None:
        if limit_by is None or limit_by in self._fields:
            return limit_by
        raise InvalidTaskType(
            f"Task {self.name!r}: limit_by names {shown(limit_by)}, which is no parameter of it.",
            hint=near_match(limit_by, self._fields) or _LIMIT_BY,
        )

    @property
    def place(self) -> str:
        """Where the function is written, for people."""
        code = inspect.unwrap(self.function).__code__
        return f"{self.function.__module__}, {code.co_filename}:{code.co_firstlineno}"

    def pack(self, *args: Any, **kwargs: Any) -> bytes:
        """Check the arguments of a call and write them as a JSON object."""
        values = self._by_name(args, kwargs)
        text = self._encode(values)
        json.parse(text)
        if b"null" in text:
            _refuse_nan(values)
        return self.normalise(text)

    def check(self, args: bytes) -> bytes:
        """Check a JSON object from outside and write it anew."""
        json.parse(args)
        return self.normalise(args)

    def normalise(self, args: bytes) -> bytes:
        """As `check`, for a text that passed `fcs.domain.json.parse`; it may hold `ty` as well."""
        written = _ENCODER.encode(self._decode(args))
        # The record writes its tag first; the row has a column for it.
        rest = written[len(self._tag) :]
        return b"{" + rest[1:] if rest != b"}" else b"{}"

    def limit_key_of(self, args: bytes) -> str:
        """What a task with these arguments, as `normalise` wrote them, shares its limits by.

        Text is taken as it is, anything else as JSON; nothing (`None`) is no key.
        """
        if self.limit_by is None:
            return ""
        given = msgspec.json.decode(args)
        value = given.get(self.limit_by, self.defaults().get(self.limit_by))
        if value is None:
            return ""
        key = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        try:
            return check_limit_key(key, place=pointer(self.limit_by))
        except InvalidInput as error:
            raise InvalidArguments(
                f"Task type {self.name!r}: argument {self.limit_by!r} is its limit_by, and {error}",
                hint=error.hint,
                problems=error.problems,
            ) from None

    def bind(self, args: bytes | str) -> dict[str, Any]:
        """Read what a row holds, as keyword arguments for the function."""
        values = structs.asdict(self._decode(args))
        if self._has_defaults:
            return {field: value for field, value in values.items() if value is not UNSET}
        return values

    def write_result(self, result: object) -> str:
        """Write what the function returned as JSON.

        Raises `PayloadTooLarge`, or `InvalidInput` for what JSON cannot express.
        """
        try:
            text = _ENCODER.encode(result)
        except Exception as error:  # noqa: BLE001 - a value's own code may raise anything
            raise InvalidInput(f"it cannot be written as JSON: {_reason(error)}") from None
        if len(text) > RESULT_BYTES_MAX:
            raise PayloadTooLarge(
                f"it has {len(text)} bytes as JSON, and {RESULT_BYTES_MAX} are the limit",
                hint="Keep large results elsewhere and return their address.",
            )
        json.parse(text)
        return text.decode()

    def read_result(self, text: str | None) -> Any:
        """Read a result as the function's return annotation says, if it has one that can be read.

        Raises `InvalidInput` when the result does not fit.
        """
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=self._result_type, dec_hook=models.read)
        except Exception as error:  # noqa: BLE001 - a type's own code may raise anything
            raise InvalidInput(
                f"what task type {self.name!r} returned does not fit its return annotation:"
                f" {safe_text(str(error))}",
                hint="The view's `result_text` has it as JSON.",
            ) from None

    def defaults(self) -> dict[str, Any]:
        """The defaults of the parameters, as far as JSON can show them."""
        shown = {}
        for parameter in self._parameters:
            if parameter.default is not parameter.empty:
                try:
                    shown[parameter.name] = msgspec.json.decode(_ENCODER.encode(parameter.default))
                except (TypeError, ValueError):
                    continue
        return shown

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if DISCRIMINATOR in kwargs:
            raise invalid_arguments(
                self.name,
                ValueError(f"Object contains unknown field `{DISCRIMINATOR}`"),
                self._fields,
            )
        if not args:
            return kwargs
        if len(args) > len(self._positional):
            raise InvalidArguments(
                f"Task type {self.name!r} takes {len(self._positional)} arguments by position;"
                f" {len(args)} were given."
            )
        values = dict(zip(self._positional, args, strict=False))
        for name in values.keys() & kwargs.keys():
            raise InvalidArguments(
                f"Task type {self.name!r}: argument {name!r} was given twice.",
                problems=[Problem(pointer(name), "was given by position and by name")],
            )
        return values | kwargs

    def _encode(self, values: Mapping[str, Any]) -> bytes:
        try:
            return _ENCODER.encode(values)
        except Exception:  # noqa: BLE001 - a value's own code may raise anything
            pass
        for name, value in values.items():
            try:
                _ENCODER.encode(value)
            except Exception as error:  # noqa: BLE001 - the same
                raise InvalidArguments(
                    f"Task type {self.name!r}: argument {name!r} cannot be written as JSON:"
                    f" {_reason(error)}.",
                    problems=[Problem(pointer(name), _reason(error))],
                ) from None
        raise InvalidArguments(f"Task type {self.name!r}: the arguments cannot be written as JSON.")

    def _decode(self, args: bytes | str) -> msgspec.Struct:
        try:
            return self._decoder.decode(args)
        except Exception as error:  # noqa: BLE001 - a type's own code may raise anything
            raise invalid_arguments(self.name, error, self._fields) from None


def read_json(text: str | None) -> Any:
    """A result as plain values, where the task's function is not known."""
    return None if text is None else msgspec.json.decode(text)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, models.NotJson) else safe_text(error)


def _checked_name(function: Callable[..., Any], name: str | None) -> str:
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise InvalidTaskType(f"A task is made from a function, not from {safe_text(function)}.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidTaskType(
            f"{function.__qualname__} is a generator: calling it would not run its body.",
            hint="Use return instead of yield.",
        )
    name = function.__name__ if name is None else name
    if not is_type_name(name):
        raise InvalidTaskType(
            f"{shown(name)} is not the name of a task type.",
            hint="Start with a letter; go on with letters, digits, dots, dashes and underscores;"
            " at most 200 characters. `name=` gives another name than the function's.",
        )
    return name


def _checked_exceptions(named: ErrorTypes) -> ErrorTypes:
    """Anything else would come to light when a body fails, and hide why it did."""
    kinds: tuple[object, ...] = named if isinstance(named, tuple) else (named,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            message = f"{shown(kind)} is no exception to give up on"
            raise InvalidInput(
                f"{message}.",
                hint="Name the class of one, or a tuple: give_up_on=(KeyError, ValueError).",
                problems=[Problem("/give_up_on", message)],
            )
    return named


def _refuse_nan(values: Mapping[str, Any]) -> None:
    """msgspec writes NaN and infinity as null. That must not happen behind the caller's back."""
    todo: list[tuple[str, Any]] = list(
        msgspec.to_builtins(values, enc_hook=models.write, str_keys=True).items()
    )
    while todo:
        place, value = todo.pop()
        if type(value) is float and not isfinite(value):
            raise InvalidArguments(
                f"Argument {place!r} holds {value}, which JSON cannot express.",
                hint="Pass None instead.",
                problems=[Problem(pointer(place), f"{value} is not JSON")],
            )
        if isinstance(value, dict):
            todo.extend((place, item) for item in value.values())
        elif isinstance(value, list | tuple):
            todo.extend((place, item) for item in value)
