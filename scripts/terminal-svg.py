#!/usr/bin/env python3
"""Draw recorded terminal output as an SVG of a terminal window.

    scripts/terminal-svg.py [OPTIONS] [RECORDING] >picture.svg

RECORDING is a file with the bytes that a program wrote to a terminal, with its colors and cursor movements. Without it
the bytes are read from standard input. Two ways to make a recording:

    script -qec 'stty cols 100; matenv doctor' recording
    matenv doctor --color always >recording 2>&1

The picture shows the screen at the end: of a progress bar only its final state is left, and a line that was erased is
gone. The home folder is written as `~`. The same recording gives the same bytes. The colors follow the light or dark
mode of the reader. Needs Python >= 3.11 and nothing else.
"""

import argparse
import os
import re
import sys
import unicodedata
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

# All sizes are in pixels. Fonts differ in width, so each run of text is fitted to its cells.
FONT_SIZE, CELL_WIDTH, LINE_HEIGHT, MARGIN, BAR_HEIGHT = 14, 8.4, 20, 16, 36
MIN_COLUMNS = 40
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
# Name -> color on a light and on a dark background.
THEME = {
    "paper": ("#ffffff", "#161b22"),
    "bar": ("#f0f2f4", "#21262d"),
    "line": ("#d0d7de", "#3d444d"),
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#656d76", "#8d96a0"),
    "black": ("#1f2328", "#6e7681"),
    "red": ("#b3261e", "#ff7b72"),
    "green": ("#116329", "#56d364"),
    "yellow": ("#7d4e00", "#e3b341"),
    "blue": ("#0550ae", "#79c0ff"),
    "magenta": ("#8250df", "#d2a8ff"),
    "cyan": ("#0b6b75", "#39c5cf"),
    "white": ("#57606a", "#f0f6fc"),
}
TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"  # control sequence: color, cursor
    r"|\x1b\](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\)"  # window title, hyperlink
    r"|\x1b[ -/]*[0-~]"  # any other escape
    r"|(?P<char>[\s\S])"
)


class Style(NamedTuple):
    """How a cell is drawn. A color is a name of `THEME`, `#rrggbb`, or `None` for the default."""

    ink: str | None = None
    paper: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


class Screen:
    """The cells of a terminal without a bottom: lines never scroll away."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column, self.style = columns, [{}], 0, 0, Style()

    def write(self, text):
        for token in TOKEN.finditer(text):
            if char := token["char"]:
                self.put(char)
            elif token["final"]:
                self.control(token["final"], token["parameters"])

    def put(self, char):
        if char == "\n":
            self.move(self.row + 1, 0)
        elif char == "\r":
            self.column = 0
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char == "\t":
            self.column = (self.column // 8 + 1) * 8
        elif char >= " " and char != "\x7f" and (width := cells(char)):
            if self.column + width > self.columns:
                self.move(self.row + 1, 0)
            self.rows[self.row][self.column] = (char, self.style)
            for covered in range(self.column + 1, self.column + width):
                self.rows[self.row].pop(covered, None)
            self.column += width

    def move(self, row, column):
        self.row, self.column = max(0, row), max(0, column)
        while len(self.rows) <= self.row:
            self.rows.append({})

    def control(self, final, parameters):
        numbers = [int(part) for part in re.findall(r"\d+", parameters)]
        first = numbers[0] if numbers else 0
        count = max(1, first)
        if final == "m":
            self.style = styled(self.style, [int(part or 0) for part in re.split("[;:]", parameters)])
        elif final in "AF":
            self.move(self.row - count, 0 if final == "F" else self.column)
        elif final in "BE":
            self.move(self.row + count, 0 if final == "E" else self.column)
        elif final == "C":
            self.move(self.row, self.column + count)
        elif final == "D":
            self.move(self.row, self.column - count)
        elif final == "G":
            self.move(self.row, count - 1)
        elif final in "KJ":
            row = self.rows[self.row]
            gone = {0: lambda at: at >= self.column, 1: lambda at: at <= self.column}.get(first, lambda at: True)
            for at in [at for at in row if gone(at)]:
                del row[at]
            if final == "J" and first != 1:
                del self.rows[self.row + 1 :]
            if final == "J" and first != 0:
                for row in self.rows[: self.row]:
                    row.clear()

    def lines(self):
        """The lines without empty ones at the start and the end; each is a list of (column, text, style)."""
        lines = [runs(row) for row in self.rows]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        return lines


def cells(char):
    """The width of a character in cells. A combining character has none and is left out."""
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def styled(style, numbers):
    """The style after a `CSI … m` sequence."""
    numbers = list(numbers)
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            style = Style()
        elif number in (1, 2, 3, 4, 7):
            name = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}[number]
            style = style._replace(**{name: True})
        elif number in (22, 23, 24, 27):
            off = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",)}[number]
            style = style._replace(**dict.fromkeys(off, False))
        elif number in (38, 48):
            color, numbers = extended(numbers)
            style = style._replace(**{"ink" if number == 38 else "paper": color})
        elif number in (39, 49):
            style = style._replace(**{"ink" if number == 39 else "paper": None})
        elif 30 <= number <= 37 or 90 <= number <= 97:
            style = style._replace(ink=NAMES[number % 10])
        elif 40 <= number <= 47 or 100 <= number <= 107:
            style = style._replace(paper=NAMES[number % 10])
    return style


def extended(numbers):
    """A color of 256 or of 16 million, and the numbers after it."""
    if numbers[:1] == [2] and len(numbers) >= 4:
        return "#{:02x}{:02x}{:02x}".format(*(min(255, part) for part in numbers[1:4])), numbers[4:]
    if numbers[:1] == [5] and len(numbers) >= 2:
        number, rest = numbers[1], numbers[2:]
        if number < 16:
            return NAMES[number % 8], rest
        if number < 232:
            parts = [(number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6]
            return "#{:02x}{:02x}{:02x}".format(*(55 + 40 * part if part else 0 for part in parts)), rest
        return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (min(255, number) - 232)), rest
    return None, []


def runs(row):
    """The cells of a row, joined where the style is the same. Gaps are spaces; spaces at the end are left out."""
    found, end = [], 0
    for at in sorted(row):
        char, style = row[at]
        if found and found[-1][2] == style:
            found[-1][1] += " " * (at - end) + char
        elif char != " " or style.paper or style.reverse:
            found.append([at, char, style])
        end = at + cells(char)
    for run in found:
        if not (run[2].paper or run[2].reverse):
            run[1] = run[1].rstrip(" ")
    return [tuple(run) for run in found if run[1]]


def wrapped(lines, limit):
    """The lines, with long ones broken at spaces. The rest of a run starts below its first word."""
    for line in lines:
        shown = []
        for at, text, style in line:
            start, indent = at, at
            while width(text) > limit - start and (cut := text.rfind(" ", 1, max(1, limit - start) + 1)) > 0:
                yield [*shown, (start, text[:cut].rstrip(" "), style)]
                shown, start, text = [], indent, text[cut:].lstrip(" ")
            shown.append((start, text, style))
        yield shown


def width(text):
    return sum(cells(char) for char in text)


def px(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def svg(lines, title):
    """The picture. Nothing in it depends on the machine or on the time."""
    columns = max([MIN_COLUMNS, width(title) + 16] + [at + width(text) for line in lines for at, text, _ in line])
    full_width = columns * CELL_WIDTH + 2 * MARGIN
    full_height = BAR_HEIGHT + len(lines) * LINE_HEIGHT + 2 * MARGIN
    # No variables and no nesting: some programs that draw SVG know neither.
    light, dark = (
        "".join(f".{name}{{{'stroke' if name == 'line' else 'fill'}:{colors[mode]}}}" for name, colors in THEME.items())
        for mode in (0, 1)
    )
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{px(full_width)}" height="{px(full_height)}"'
        f' viewBox="0 0 {px(full_width)} {px(full_height)}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}text{{font:{FONT_SIZE}px {FONTS};white-space:pre}}"
        ".b{font-weight:bold}.i{font-style:italic}.u{text-decoration:underline}</style>",
        f'<rect class="paper line" x=".5" y=".5" width="{px(full_width - 1)}" height="{px(full_height - 1)}" rx="8"/>',
        f'<path class="bar line" d="M.5 {BAR_HEIGHT}V8.5a8 8 0 0 1 8-8H{px(full_width - 8.5)}a8 8 0 0 1 8 8V{BAR_HEIGHT}z"/>',
        *(f'<circle class="{name}" cx="{20 + 20 * at}" cy="18" r="6"/>' for at, name in enumerate(("red", "yellow", "green"))),
        f'<text class="faint" x="{px(full_width / 2)}" y="23" text-anchor="middle">{escape(title)}</text>',
    ]
    for number, line in enumerate(lines):
        top = BAR_HEIGHT + MARGIN + number * LINE_HEIGHT
        for at, text, style in line:
            out += run_of(text, style, MARGIN + at * CELL_WIDTH, top)
    return "\n".join([*out, "</svg>", ""])


def run_of(text, style, left, top):
    """The elements of one run: its background if it has one, and its text."""
    ink, paper = style.ink or ("faint" if style.dim else "ink"), style.paper
    if style.reverse:
        ink, paper = paper or "paper", ink
    length = px(width(text) * CELL_WIDTH)
    if paper:
        yield f'<rect {fill(paper)} x="{px(left)}" y="{px(top)}" width="{length}" height="{LINE_HEIGHT}"/>'
    if not text.strip(" "):
        return
    # Not every program keeps spaces at the start.
    shown = text.strip(" ")
    left += (len(text) - len(text.lstrip(" "))) * CELL_WIDTH
    marks = [mark for mark, is_on in (("b", style.bold), ("i", style.italic), ("u", style.underline)) if is_on]
    opacity = ' opacity=".7"' if style.dim and style.ink else ""
    yield (
        f'<text {fill(ink, marks)} x="{px(left)}" y="{px(top + 15)}" textLength="{px(width(shown) * CELL_WIDTH)}"'
        f' lengthAdjust="spacingAndGlyphs" xml:space="preserve"{opacity}>{escape(shown)}</text>'
    )


def fill(color, marks=()):
    if color.startswith("#"):
        return " ".join(([f'class="{" ".join(marks)}"'] if marks else []) + [f'fill="{color}"'])
    return f'class="{" ".join([color, *marks])}"'


def recorded(data, replacements):
    """The text of a recording, without the first and last line of `script`."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    text = re.sub(r"\AScript started on [^\n]*\n", "", text)
    text = re.sub(r"\n?Script done on [^\n]*\n?\Z", "\n", text)
    for old, new in replacements:
        text = text.replace(old, new)
    return text


def home_folder():
    """The home folder by both of its names, if it may be a symbolic link; the longer one first."""
    home = os.path.expanduser("~")
    names = {home, os.path.realpath(home)} - {"/", "~"}
    return [(name, "~") for name in sorted(names, key=lambda name: (-len(name), name))]


def picture(data, title, command=None, columns=100, wrap=None, replacements=()):
    screen = Screen(columns)
    if command:
        screen.write(f"\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m\n")
    screen.write(recorded(data, replacements))
    return svg(list(wrapped(screen.lines(), wrap or columns)), title)


def self_check():
    """Draws small recordings and checks the result."""

    def shown(data, **options):
        drawn = ElementTree.fromstring(picture(data, "t", **options))
        texts = [node for node in drawn.iter("{http://www.w3.org/2000/svg}text")][1:]
        return [(node.text, node.get("class")) for node in texts]

    assert shown(b"a <b> & c\n") == [("a <b> & c", "ink")]
    assert shown(b"10 %\r50 %\r100 %\r\ndone\r\n") == [("100 %", "ink"), ("done", "ink")]
    assert shown(b"bar\r\x1b[2Kkept\nbar 1\nbar 2\x1b[1A\r\x1b[Jend\n") == [("kept", "ink"), ("end", "ink")]
    assert shown(b"\x1b[1;31mred\x1b[0m \x1b[2mdim\x1b[0m") == [("red", "red b"), ("dim", "faint")]
    assert shown(b"\x1b]0;window\x07\x1b]8;;http://h\x1b\\link\x1b]8;;\x1b\\\x1b[?25l") == [("link", "ink")]
    assert shown(b"\x1b[38;5;196mx\x1b[38;2;1;2;3my") == [("x", None), ("y", None)]
    assert shown(b"abcdef", columns=4) == [("abcd", "ink"), ("ef", "ink")]
    assert shown(b"ab cd ef", wrap=5) == [("ab cd", "ink"), ("ef", "ink")]
    assert shown(b"/home/a/x", replacements=[("/home/a", "~")]) == [("~/x", "ink")]
    assert shown(b"x", command="ls") == [("$", "green"), ("ls", "ink b"), ("x", "ink")]
    assert shown(b"Script started on 1 [TERM=x]\nx\n\nScript done on 2 [COMMAND_EXIT_CODE=0]\n") == [("x", "ink")]
    assert picture(b"x\n" * 3, "t") == picture(b"x\n" * 3, "t")
    print("ok: terminal-svg.py draws what it should")


def replacement(text):
    old, found, new = text.partition("=")
    if not found or not old:
        raise argparse.ArgumentTypeError(f"`{text}` is not OLD=NEW")
    return old, new


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", metavar="RECORDING", help="the recording; standard input if missing or -")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the picture to FILE instead of standard output")
    parser.add_argument("--title", default="terminal", help="title of the window and of the picture")
    parser.add_argument("--command", metavar="TEXT", help="show `$ TEXT` as the first line")
    parser.add_argument("--columns", type=int, default=100, help="width of the recorded terminal; longer lines wrap [100]")
    parser.add_argument("--wrap", type=int, metavar="COLUMNS", help="break longer lines of the picture at spaces")
    parser.add_argument("--replace", action="append", type=replacement, default=[], metavar="OLD=NEW",
                        help="replace a text of the recording; can be used more than once")  # fmt: skip
    parser.add_argument("--self-check", action="store_true", help="check this script itself and exit")
    arguments = parser.parse_args()
    if arguments.self_check:
        return self_check()
    if arguments.columns < 1:
        parser.error("--columns must be 1 or more")
    is_file = arguments.recording not in (None, "-")
    try:
        data = Path(arguments.recording).read_bytes() if is_file else sys.stdin.buffer.read()
    except OSError as error:
        sys.exit(f"failed to read {arguments.recording}: {error.strerror}")
    replacements = arguments.replace + home_folder()
    drawn = picture(data, arguments.title, arguments.command, arguments.columns, arguments.wrap, replacements).encode()
    if not arguments.output:
        sys.stdout.buffer.write(drawn)
        return None
    try:
        Path(arguments.output).write_bytes(drawn)
    except OSError as error:
        sys.exit(f"failed to write {arguments.output}: {error.strerror}")
    return None


if __name__ == "__main__":
    sys.exit(main())
