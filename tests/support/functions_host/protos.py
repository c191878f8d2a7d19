"""The messages between the Functions host and its worker, as far as the library uses them.

In Azure these are generated from `FunctionRpc.proto`, and the library is given the module. It only
constructs messages, reads attributes, compares two enumerations and calls `WhichOneof`, so plain
objects suffice, without grpc and protobuf.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar


class Message:
    """An object with the attributes that are passed by keyword, and no others."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} of the stand-in host has no field {name!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__})"


class StatusResult(Message):
    """The outcome of a request to the worker."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1


class Direction(IntEnum):
    """`BindingInfo.Direction`."""

    IN = 0
    OUT = 1
    INOUT = 2


class DataType(IntEnum):
    """`BindingInfo.DataType`."""

    UNDEFINED = 0
    STRING = 1
    BINARY = 2
    STREAM = 3


class BindingInfo(Message):
    """One binding of a function. The library compares with these members; their names are fixed."""

    out = Direction.OUT
    inout = Direction.INOUT
    undefined = DataType.UNDEFINED


class OneOf(Message):
    """A message with exactly one field: `OneOf(json="{}")`."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Return the name of the field that is set, if any."""
        return next(iter(self.__dict__), None)


class TypedData(OneOf):
    """A value on its way to or from a function."""


class InputBinding(Message):
    """`ParameterBinding` with its value in `data`."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        """Return `data` always: shared memory is not supported."""
        return "data"


class Protos:
    """The stand-in for the generated module; other messages are made on demand."""

    StatusResult = StatusResult
    BindingInfo = BindingInfo
    TypedData = TypedData

    def __getattr__(self, name: str) -> type[Message]:
        return type(name, (Message,), {})
