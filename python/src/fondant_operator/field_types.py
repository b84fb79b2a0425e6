"""Arrow types to the field types of component files and mappings.

The framework's own way back from Arrow (core/schema.py, Type.to_dict) writes every timestamp as
`{type: string, format: date-time}` and what it does not know as `{type: null}`; here a type is
written exactly or not at all.
"""

from __future__ import annotations

import typing as t

_MAX_DEPTH = 32


def type_to_dict(data_type: t.Any) -> dict[str, t.Any]:
    """The field type of a pyarrow.DataType.

    Raises ValueError, saying which part of the type it is, where a field cannot have that type.
    """
    return _convert(data_type, _MAX_DEPTH)


def _names() -> t.Iterator[tuple[str, t.Any]]:
    """Names of the framework's parser (core/schema.py, _TYPES), in its order."""
    import pyarrow as pa

    for name in (
        "null",
        "bool_",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "date32",
        "date64",
        "string",
        "binary",
        "large_binary",
        "large_utf8",
    ):
        yield name.rstrip("_"), getattr(pa, name)()
    yield "decimal128", pa.decimal128(38)
    yield "time32", pa.time32("s")
    yield "time64", pa.time64("us")
    yield "timestamp", pa.timestamp("us")
    yield "duration", pa.duration("us")


def _item(field: t.Any, what: str, depth: int) -> dict[str, t.Any]:
    if not field.nullable:
        raise ValueError(f"{what} of {field.type} that must not be null cannot be declared")
    return _convert(field.type, depth - 1)


def _convert(data_type: t.Any, depth: int) -> dict[str, t.Any]:
    import pyarrow as pa

    if not depth:
        raise ValueError(f"types nest deeper than {_MAX_DEPTH} levels")
    if isinstance(data_type, pa.ListType):
        return {"type": "array", "items": _item(data_type.value_field, "a list item", depth)}
    if isinstance(data_type, pa.StructType):
        fields = [data_type.field(i) for i in range(data_type.num_fields)]
        names = [field.name for field in fields]
        if len(set(names)) != len(names):
            raise ValueError(f"{data_type} has two fields of one name")
        if not fields:
            return {"type": "struct"}
        return {
            "type": "object",
            "properties": {f.name: _item(f, f"a property {f.name!r}", depth) for f in fields},
        }
    if data_type.equals(pa.timestamp("us", tz="UTC")):
        return {"type": "string", "format": "date-time"}
    for name, known in _names():
        if data_type.equals(known):
            return {"type": name}
    raise ValueError(f"the framework has no name for Arrow's type {data_type}{_hint(data_type)}")


def _hint(data_type: t.Any) -> str:
    import pyarrow as pa

    if isinstance(data_type, pa.TimestampType):
        return '; it has timestamp("us") and timestamp("us", tz="UTC")'
    if isinstance(data_type, (pa.Decimal128Type, pa.Decimal256Type)):
        return "; it has decimal128(38)"
    if isinstance(data_type, (pa.LargeListType, pa.FixedSizeListType)):
        return "; it has list_"
    return ""
