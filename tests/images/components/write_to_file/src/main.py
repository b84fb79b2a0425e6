"""Writes a dataset to a folder, a file for each partition."""
import dask.dataframe as dd
import fsspec
from fondant.component import DaskWriteComponent

OURS = {"parquet": ("part.*.parquet", "_metadata"), "csv": ("export-*.csv",)}


class WriteToFile(DaskWriteComponent):
    def __init__(self, *, path: str, format: str = "parquet"):  # noqa: A002 (the published name)
        if format not in OURS:
            raise ValueError(f"format is {format!r}: it must be 'parquet' or 'csv'")
        self.path = path.rstrip("/")
        self.format = format

    def write(self, dataframe: dd.DataFrame) -> None:
        self.remove_earlier()
        if self.format == "csv":
            dataframe.to_csv(f"{self.path}/export-*.csv")
        else:
            dataframe.to_parquet(self.path, write_metadata_file=True)

    def remove_earlier(self) -> None:
        """Removes what an earlier run wrote: it may have had more partitions than this one."""
        filesystem, folder = fsspec.core.url_to_fs(self.path)
        for pattern in OURS[self.format]:
            for file in filesystem.glob(f"{folder}/{pattern}"):
                filesystem.rm(file)
