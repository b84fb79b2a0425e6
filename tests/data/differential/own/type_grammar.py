"""Every type, declared in files and in mappings, and read again by a generic component."""

from pathlib import Path

import pyarrow as pa
from fondant.dataset import Dataset

C = Path(__file__).parent / "components"

dataset = Dataset.create(
    C / "type_grammar",
    produces={
        "m_null": pa.null(),
        "m_decimal": pa.decimal128(38),
        "m_large_binary": pa.large_binary(),
        "m_large_utf8": pa.large_utf8(),
        "m_naive": pa.timestamp("us"),
        "m_utc": pa.timestamp("us", tz="UTC"),
        "m_empty": pa.struct([]),
        "m_deep": pa.list_(
            pa.struct([("a", pa.list_(pa.struct([("b c", pa.date32())]))), ("y", pa.bool_())])
        ),
        "f_int8": "renamed",
    },
    dataset_name="type_grammar",
)
dataset = dataset.apply(C / "anything", produces={"again": pa.list_(pa.timestamp("us"))})
