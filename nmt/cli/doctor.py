"""`nmt doctor`."""

from __future__ import annotations

import json as json_module
import sys

from nmt.cli import common
from nmt.terminal import width, wrap
from nmt.text import escape


def doctor(json: common.OneObject = False) -> None:
    """Describe the installation and the machine for a bug report, and check both.

    The report contains no secrets. The home folder is written as ~.

    Example: nmt doctor
    """
    from nmt.manage.diagnosis import checks, facts

    found, checked = facts(), checks()
    if json:
        listed = [check._asdict() for check in checked]
        print(json_module.dumps({"facts": found, "checks": listed}, indent=2))
        return
    lines = [f"{title}: {text}" for title, text in found.items()]
    lines += ["", *(f"{'ok' if check.good else 'warn'}: {check.text}" for check in checked)]
    for line in lines:
        print("\n".join(wrap(escape(line), width(sys.stdout), "    ")))
