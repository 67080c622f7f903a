"""Records of columnar data: Parquet files and datasets of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.config import HubDataset, PairFile
from nmt.data.sources.lines import Faults, open_regular
from nmt.data.sources.records import NamedColumns, Record
from nmt.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_SPLIT_NAMES = {"valid": ("validation", "valid", "dev", "val")}
"""Names in datasets of the split of a section, if they are others."""


def parquet_records(source: PairFile, faults: Faults) -> Iterator[Record]:
    """Yield the records of a Parquet file. Raises DataError."""
    import pyarrow
    from pyarrow import parquet

    named = NamedColumns(source, faults.repaired)
    with open_regular(source.file) as raw:
        try:
            file = parquet.ParquetFile(raw)
            schema = file.schema_arrow
            columns = sorted({_column_path(schema, n, source.file)[0] for n in named.names})
            batches = file.iter_batches(batch_size=8192, columns=columns)
            yield from _arrow_records(batches, named)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{source.file}: not a valid Parquet file: {error}") from error


def hub_records(source: HubDataset, split: str, faults: Faults) -> Iterator[Record]:
    """Return the records of a split of a dataset. Raises DataError."""
    dataset = load_hub(source, split).with_format("arrow")
    return _arrow_records(dataset.iter(8192), NamedColumns(source, faults.repaired))


def load_hub(source: HubDataset, split: str) -> Any:
    """Return the split of a source, or of the section `split`, as a `datasets.Dataset`.

    The source may be a folder that `save_to_disk` wrote. Raises DataError.
    """
    from datasets import load_dataset, load_from_disk

    # load_dataset reads the folder of a DatasetDict, but not that of a single Dataset.
    is_saved = (Path(source.hub) / "state.json").is_file()
    try:
        if is_saved:
            found = load_from_disk(source.hub)
            unnamed = "train" if source.split else split
            found = {str(found.split or unnamed): found}
        else:
            found = load_dataset(source.hub, source.config, split=source.split)
    except Exception as error:  # The library raises errors of many types.
        reason = str(error).strip().partition("\n")[0]
        options = {"split": source.split, "config": source.config}
        asked = ", ".join(f"{key} {value}" for key, value in options.items() if value)
        name = f"{source.hub} ({asked})" if asked else source.hub
        raise DataError(
            f"cannot load the dataset {name}: {reason}",
            f"check the name and the network, or give local files with --set data.{split}.source="
            f"... --set data.{split}.target=...",
        ) from error
    if not isinstance(found, dict):
        return found
    names = (source.split,) if source.split else _SPLIT_NAMES.get(split, (split,))
    for name in names:
        if name in found:
            return found[name]
    splits = list(map(str, found))
    hint = f"set split: {' or '.join(splits)}"
    if splits == ["train"] and not is_saved:
        hint = "set split in data.train and data.valid, such as train[:95%] and train[95%:]"
    raise DataError(
        f"{source.hub} contains the split {', '.join(splits)}, not {names[0]} (data.{split})",
        hint,
    )


def _arrow_records(
    batches: Iterator[pyarrow.RecordBatch | pyarrow.Table], named: NamedColumns
) -> Iterator[Record]:
    number = 0
    for batch in batches:
        sides = [_arrow_column(batch, name, named.path) for name in named.names]
        for values in zip(*sides, strict=True):
            number += 1
            yield named.record(number, values)
    named.check_nulls()


def _column_path(schema: pyarrow.Schema, name: str, path: str) -> list[str]:
    """Return the nested field names of a text column. Raises DataError."""
    import pyarrow

    steps = [name] if name in schema.names else name.split(".")
    kind: pyarrow.DataType = pyarrow.struct(list(schema))
    for depth, step in enumerate(steps):
        if not pyarrow.types.is_struct(kind):
            outer = ".".join(steps[:depth])
            raise DataError(f"{path}: no column {name!r}: {outer} is {_in_words(kind)}")
        fields = {field.name: field.type for field in kind.fields}
        if step not in fields:
            raise DataError(f"{path}: no column {name!r} (columns: {', '.join(fields)[:300]})")
        kind = fields[step]
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    types = pyarrow.types
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if not (is_text or types.is_null(kind)):
        raise DataError(f"{path}: column {name!r} is {_in_words(kind)}, not text")
    return steps


def _in_words(kind: pyarrow.DataType) -> str:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "a list"
    if types.is_struct(kind) or types.is_map(kind):
        return "a map"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "a number"
    return "true or false" if types.is_boolean(kind) else str(kind)


def _arrow_column(batch: Any, name: str, path: str) -> list[str | None]:
    from pyarrow import compute

    first, *inner = _column_path(batch.schema, name, path)
    column = batch.column(first)
    if inner:
        column = compute.struct_field(column, inner)
    values: list[str | None] = column.to_pylist()
    return values
