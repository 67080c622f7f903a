"""Records of columns: Parquet files and data sets of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nmt.config import HubDataset, PairFile
from nmt.data.sources.lines import open_regular
from nmt.data.sources.records import Record, column_names
from nmt.errors import DataError

if TYPE_CHECKING:
    import pyarrow


def parquet_records(source: PairFile) -> Iterator[Record]:
    """Read in groups of rows. Raises DataError if it is no whole file or has no such columns."""
    import pyarrow
    from pyarrow import parquet

    names = column_names(source)
    with open_regular(source.file) as raw:
        try:
            file = parquet.ParquetFile(raw)
            schema = file.schema_arrow
            columns = sorted({_column_path(schema, name, source.file)[0] for name in names})
            batches = file.iter_batches(batch_size=8192, columns=columns)
            yield from _arrow_records(batches, names, source.file)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{source.file}: not a whole Parquet file: {error}") from error


def hub_records(source: HubDataset) -> Iterator[Record]:
    """The rows of the split, as they lie on disk. Raises DataError."""
    dataset = load_hub(source).with_format("arrow")
    return _arrow_records(dataset.iter(8192), column_names(source), source.hub)


def load_hub(source: HubDataset) -> Any:
    """The split as a `datasets.Dataset`, downloaded if need be. Raises DataError."""
    from datasets import load_dataset

    try:
        dataset = load_dataset(source.hub, source.config, split=source.split)
    except Exception as error:  # whatever goes wrong in there, the user can only change the name
        reason = str(error).strip().partition("\n")[0]
        config = f", config {source.config}" if source.config else ""
        raise DataError(
            f"cannot load the data set {source.hub} (split {source.split}{config}): {reason}",
            "check its name, the network, or give local files with --set data.train.source=... "
            "--set data.train.target=...",
        ) from error
    return dataset


def _arrow_records(
    batches: Iterator[pyarrow.RecordBatch | pyarrow.Table], names: tuple[str, str], path: str
) -> Iterator[Record]:
    number = 0
    for batch in batches:
        sides = [_arrow_column(batch, name, path) for name in names]
        for source, target in zip(*sides, strict=True):
            number += 1
            yield number, source or "", target or ""


def _column_path(schema: pyarrow.Schema, name: str, path: str) -> list[str]:
    """The steps to a column of text, whose dots may reach into nested fields."""
    import pyarrow

    steps = [name] if name in schema.names else name.split(".")
    fields = {field.name: field for field in schema}
    for step in steps:
        if step not in fields:
            raise DataError(f"{path}: no column {name!r} (columns: {', '.join(fields)[:300]})")
        kind = fields[step].type
        fields = {f.name: f for f in kind.fields} if pyarrow.types.is_struct(kind) else {}
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise DataError(f"{path}: column {name!r} is {kind}, not text")
    return steps


def _arrow_column(batch: Any, name: str, path: str) -> list[str | None]:
    from pyarrow import compute

    first, *inner = _column_path(batch.schema, name, path)
    column = batch.column(first)
    if inner:
        column = compute.struct_field(column, inner)
    values: list[str | None] = column.to_pylist()
    return values
