"""Print docs/other-tools.md: the names that other tools give to the settings of nmt.

python scripts/write_other_tools.py > docs/other-tools.md
"""

from nmt.config.other_tools import TABLE, TOOLS

HEAD = """\
# Names in other tools

Find the name that you know, and read the config key or the command option of nmt in its row.
Names that nmt shares with a tool, such as `dropout`, are left out. If you write a name of this
table in a config or on the command line, the error message names the key or option of nmt.

A row compares purposes, and units may differ: `training.batch_tokens` counts tokens, whereas
`mini-batch` of Marian counts sentences. `data.train` takes files of text, whereas `trainpref` of
fairseq is the start of their names. `nmt config show KEY` explains a key.
"""


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def words(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split())


def page() -> str:
    lines = [row(["Config key of nmt", "Option of nmt", *TOOLS]), f"|{'---|' * (len(TOOLS) + 2)}"]
    lines += [row([words(names) for names in known]) for known in TABLE]
    return f"{HEAD}\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
