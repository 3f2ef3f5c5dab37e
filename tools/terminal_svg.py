"""Draws the text of a terminal, with its control sequences for colour, as an SVG.

usage: terminal_svg.py COLUMNS TITLE <TEXT >PICTURE
"""

import io
import re
import sys

from rich.console import Console
from rich.text import Text


def main() -> None:
    columns, title = int(sys.argv[1]), sys.argv[2]
    text = Text.from_ansi(sys.stdin.read().rstrip())
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(text, soft_wrap=True)
    picture = console.export_svg(title=title, unique_id="chat")
    # A page that shows it as a picture would not load fonts from elsewhere anyway.
    print(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


main()
