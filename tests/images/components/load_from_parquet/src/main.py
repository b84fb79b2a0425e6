"""Loads a dataset from parquet."""
import typing as t

import dask.dataframe as dd
import pandas as pd
from fondant.component import DaskLoadComponent


class LoadFromParquet(DaskLoadComponent):
    def __init__(
        self,
        *,
        dataset_uri: str,
        column_name_mapping: t.Optional[dict] = None,
        n_rows_to_load: t.Optional[int] = None,
        index_column: t.Optional[str] = None,
    ):
        self.dataset_uri = dataset_uri
        self.new_names = column_name_mapping or {}
        self.rows = n_rows_to_load
        self.index_column = index_column

    def columns(self) -> t.List[str]:
        """The file's names of the columns that are worth reading."""
        old_names = {new: old for old, new in self.new_names.items()}
        wanted = [old_names.get(name, name) for name in self.produces]
        if self.index_column and self.index_column not in wanted:
            wanted.append(self.index_column)
        return wanted

    def load(self) -> dd.DataFrame:
        dataframe = dd.read_parquet(self.dataset_uri, columns=self.columns(), index=False)
        if self.rows is not None:
            dataframe = first_rows(dataframe, self.rows)
        if self.index_column:
            # the column may be part of the dataset too
            dataframe["id"] = dataframe[self.index_column]
            dataframe = dataframe.set_index("id", sort=True)
        else:
            dataframe = numbered(dataframe)
        return dataframe.rename(columns=self.new_names)


def first_rows(dataframe: dd.DataFrame, rows: int) -> dd.DataFrame:
    """The first rows, taken from as many partitions as that needs."""
    lengths = dataframe.map_partitions(len).compute()
    parts, left = [], rows
    for number, length in enumerate(lengths):
        if left <= 0 and parts:
            break
        part = dataframe.get_partition(number)
        parts.append(part.map_partitions(pd.DataFrame.head, max(left, 0)))
        left -= length
    return dd.concat(parts)


def numbered(dataframe: dd.DataFrame) -> dd.DataFrame:
    """Rows numbered `<partition>_<row>`, so that no number needs another partition to be read."""

    def number(part: pd.DataFrame, partition_info: t.Optional[dict] = None) -> pd.DataFrame:
        partition = partition_info["number"] if partition_info else 0
        names = [f"{partition:06d}_{row:09d}" for row in range(len(part))]
        return part.set_index(pd.Index(names, name="id", dtype="object"))

    meta = dataframe._meta.set_index(pd.Index([], name="id", dtype="object"))
    return dataframe.map_partitions(number, meta=meta)
