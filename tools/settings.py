"""Generate docs/settings.md: ``python -m tools.settings > docs/settings.md``."""

from __future__ import annotations

import sys

from registry_core.config.setting import Section, Setting
from registry_core.config.table import SECTIONS

_HEAD = """\
<!-- Generated from registry_core/config/ by `python -m tools.settings`. Do not edit. -->

# Settings

The registry is configured by environment variables: application settings in Azure, `Values` in
`local.settings.json`. They have the names of CNCF distribution's environment overrides wherever
distribution has the setting.

A missing, malformed or contradictory setting prevents the start, as does an unknown one that
resembles a setting; other unknown names are ignored with a warning. All problems are
reported at once, each in a line that names the setting and says what is right.

A setting that is set but blank, or a list without items, prevents the start as well: it may have
lost its value on the way, and the default may allow more than was meant. To use the default, remove
the setting. So does a reference to Key Vault or App Configuration that App Service could not
resolve.

Settings, and the documents that they name, are read at the start: a change becomes effective with a
restart. Only a password file that is given by its path is read again when it changes.

- **true or false**: also `yes`, `on`, `1` and `no`, `off`, `0`.
- **duration**: a number with `s`, `m`, `h`, `d` or `w`, or several of them: `168h`, `14d`, `1h30m`.
- **list**: items separated by commas or spaces, with or without brackets around them.
- **path, or the text itself**: Azure's application settings take the text; elsewhere a path is
  more convenient. Whether a relative path is found depends on the working directory.
"""


def render() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_HEAD, *(_section(section) for section in SECTIONS)])


def _section(section: Section) -> str:
    modes = " and ".join(f"`{mode}`" for mode in section.modes)
    lines = [f"## {section.title}", ""]
    if modes:
        lines += [f"Read if `REGISTRY_AUTH` is {modes.replace(' and ', ' or ')}.", ""]
    lines += ["| setting | value | default | description |", "|---|---|---|---|"]
    lines += [_row(setting) for setting in section.settings]
    return "\n".join([*lines, ""])


def _row(setting: Setting) -> str:
    value = ", ".join(f"`{choice}`" for choice in setting.choices) or str(setting.type)
    default = f"`{setting.default}`" if setting.default else setting.unset or "none"
    return f"| `{setting.name}` | {value} | {default} | {setting.description} |"


if __name__ == "__main__":
    sys.stdout.write(render())
