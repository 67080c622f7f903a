"""The commands `nmt config show` and `nmt config schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli import common


def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="SECTION|KEY", help="Such as training or training.warmup_steps."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Show the values in this config, or in a named one such as `demo`.",
        ),
    ] = None,
    overrides: common.Overrides = None,
) -> None:
    """List config keys with their meaning, allowed values and default. The output is YAML.

    With --config, the values come from a config, and the default follows where it differs.

    Example: nmt config show training.warmup_steps
    """
    from nmt.config.loading import load_config
    from nmt.config.reference import reference, reference_of
    from nmt.errors import UsageError

    if overrides and config is None:
        raise UsageError("--set was given without --config", "add --config FILE")
    loaded = load_config(config, overrides or ()) if config else None
    print(reference_of(name, loaded) if name else reference(loaded), end="")


def schema(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to write. Default: standard output."
        ),
    ] = None,
) -> None:
    """Print the JSON schema of a config, by which editors complete and check its keys.

    Each config that nmt writes has this schema as config.schema.json in its folder, and names it in
    its first line. Editors with the YAML language server, such as VS Code with its YAML extension,
    read that line. For a config of your own, write the schema next to it and add the line
    `# yaml-language-server: $schema=config.schema.json`.

    Example: nmt config schema --output config.schema.json
    """
    from nmt.config.json_schema import schema_text

    common.check_output(output)
    with common.open_output(output) as file:
        file.write(schema_text().encode())
