import pyarrow as pa
import pytest
from fondant.core.schema import Type
from fondant_operator.field_types import type_to_dict

NAMED = [
    "bool",
    "int8",
    "uint64",
    "float16",
    "time32",
    "time64",
    "timestamp",
    "date32",
    "duration",
    "string",
    "binary",
    "large_binary",
    "large_utf8",
    "decimal128",
    "null",
]


@pytest.mark.parametrize("name", NAMED)
def test_names_are_the_frameworks(name):
    assert type_to_dict(Type(name).value) == {"type": name}


@pytest.mark.parametrize(
    "data_type",
    [
        pa.timestamp("us", tz="UTC"),
        pa.struct([]),
        pa.list_(pa.list_(pa.timestamp("us"))),
        pa.struct([("a", pa.list_(pa.string())), ("b", pa.struct([("c", pa.decimal128(38))]))]),
    ],
)
def test_nested_types_come_back(data_type):
    assert Type.from_dict(type_to_dict(data_type)).value == data_type


@pytest.mark.parametrize(
    "data_type, said",
    [
        (pa.timestamp("ns"), r'timestamp\("us"\)'),
        (pa.timestamp("us", tz="Europe/Brussels"), "UTC"),
        (pa.decimal128(10, 2), r"decimal128\(38\)"),
        (pa.time32("ms"), "no name"),
        (pa.large_list(pa.int8()), "list_"),
        (pa.dictionary(pa.int8(), pa.string()), "no name"),
        (pa.list_(pa.field("item", pa.int8(), nullable=False)), "must not be null"),
        (pa.struct([("a", pa.int8()), ("a", pa.int8())]), "two fields"),
    ],
)
def test_what_the_framework_would_lose_is_refused(data_type, said):
    with pytest.raises(ValueError, match=said):
        type_to_dict(data_type)
