"""Make slides of a chapter: one page of HTML with all in it, for a projector and without a network.

    python teaching/slides.py --to FOLDER NOTEBOOK ...

The slides come from the chapter's own cells and stored outputs, by rule:

- A heading begins a section. Where its cell asks for a prediction, the question comes first, and the
  heading, which is the answer, not before the section's first result.
- Of prose, the first sentence stands on a slide, with those that follow up to WORDS words. The rest is for
  the speaker's notes. What is said after a picture belongs to the notes of the picture.
- Lists, tables and fenced texts stand on a slide, long ones on several.
- Code stands on a slide; its output appears there at the next key, or on a slide of its own if both are long.
- A picture has a slide of its own, with its alt text.
- Code before the first section, imports, and what is tagged hide-cell or hide-input, are not shown.

A cell's own metadata win: ``{"slideshow": {"slide_type": ...}}`` with slide, subslide, fragment, skip, notes
or "-", as everywhere in Jupyter. Such a cell is shown whole.
"""

import argparse
import ast
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from nbconvert.filters import markdown2html
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

WORDS = 45  # of prose on a slide, if its first sentence is shorter
LINES = 15  # of code and output on a slide
LIST_WORDS, ROWS = 75, 7  # of a list, and of a table
COLUMNS = 80  # of code, in the smallest type on a slide; longer lines are folded
WIDTH, LARGEST = 1150, 34  # pixels that code has on a slide, and its largest type
SENTENCE = re.compile(r"(?<=[.?!])[*_`\")]*\s+(?=[\"(*_`\[]*[A-Z0-9])")
VERDICT = re.compile(r"F\d+[a-z]? (holds|does not|cannot|is not)")
STYLE = HtmlFormatter(style="a11y-light", nowrap=True)
REVEAL = files("sphinx_revealjs") / "_static" / "revealjs"


@dataclass
class Slide:
    """One slide: what is shown, as HTML, and the speaker's notes in Markdown."""

    kind: str  # title, section, predict, statement, prose, code, output or picture
    title: str = ""  # HTML
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    opens: bool = False  # Does a section begin here?

    @property
    def spoken(self) -> str:
        """Return the notes as HTML."""
        return markdown2html("\n\n".join(self.notes)) if self.notes else ""


class Deck:
    """The slides of one notebook, in the making."""

    def __init__(self, cells: list[dict[str, Any]]) -> None:
        """Make the slides of these cells."""
        self.slides: list[Slide] = []
        self.heading = ""  # of this section, as HTML
        self.held = False  # Must it wait for the first result?
        self.begun = False  # Has a section begun?
        self.prose: list[str] = []  # paragraphs that wait for the slide that they lead to
        for cell in cells:
            self.add(cell)
        self.conclude()

    def add(self, cell: dict[str, Any]) -> None:
        """Add a cell, by its metadata or by rule."""
        asked = cell["metadata"].get("slideshow", {}).get("slide_type")
        source = "".join(cell["source"]).strip()
        if asked == "skip" or "hide-cell" in cell["metadata"].get("tags", []):
            return
        if asked == "notes":
            self.slides[-1].notes.append(source)
        elif asked:
            self.add_whole(cell, source, asked)
        elif cell["cell_type"] == "markdown":
            self.add_text(source)
        elif cell["cell_type"] == "code":
            self.add_code(cell, source)

    def add_whole(self, cell: dict[str, Any], source: str, asked: str) -> None:
        """Show a cell as its metadata ask for, with all that it says."""
        self.conclude()
        if cell["cell_type"] == "markdown":
            parts = [markdown2html(source)]
        else:
            parts = [code(source), *(text for _, text in outputs(cell))]
        if asked in ("slide", "subslide") or not self.slides:
            self.slides.append(Slide("prose", opens=asked == "slide"))
        if asked == "fragment":
            parts = [f'<div class="fragment">{part}</div>' for part in parts]
        self.slides[-1].body += parts

    def add_text(self, source: str) -> None:
        """Add a cell of text, block by block."""
        blocks, before = split_blocks(source), len(self.slides)
        for number, block in enumerate(blocks):
            if block.startswith("#"):
                self.conclude()
                self.open(block, blocks[number + 1 :])
            elif block.startswith("**Predict"):
                self.predict(block)
            elif re.match(r"(Previous|Next): ", block):
                pass
            elif re.match(r"[-*] |\d+\. |\||```", block):
                self.listing(block)
            else:
                self.prose.append(block)
        if self.slides and self.slides[-1].kind == "picture":
            self.slides[-1].notes += self.prose
            self.prose = []
        elif len(self.slides) > before and self.slides[-1].kind in ("title", "section"):
            self.lead_in(self.slides[-1])

    def open(self, block: str, others: list[str]) -> None:
        """Begin a section."""
        level, _, text = block.partition(" ")
        until = next((n for n, other in enumerate(others) if other.startswith("#")), len(others))
        self.heading, self.begun = inline(text), level != "#"
        self.held = any(other.startswith("**Predict") for other in others[:until])
        if not self.held:
            kind = "title" if level == "#" else "section"
            self.slides.append(Slide(kind, self.heading, opens=True))

    def predict(self, block: str) -> None:
        """Ask for a prediction, after the sentence that leads to it."""
        slide = Slide("predict", "Predict", opens=self.held)
        self.lead_in(slide)
        question = re.sub(r"^\*\*Predict[^*]*\*\*", lambda found: found[0].replace("Predict.", ""), block)
        slide.body.append(f'<div class="question">{markdown2html(question.replace("****", ""))}</div>')
        self.slides.append(slide)

    def listing(self, block: str) -> None:
        """Show a list, a table or a fenced text, on as many slides as it takes."""
        for number, part in enumerate(split_listing(block)):
            last = self.slides[-1] if self.slides else Slide("")
            fresh = number == 0 and last.kind == "section" and len(last.body) == 0 and not self.held
            if not fresh:
                last = Slide("prose", self.shown_heading())
                self.slides.append(last)
            if number == 0:
                self.lead_in(last)
            last.body.append(markdown2html(part))
            last.kind = "prose"

    def lead_in(self, slide: Slide) -> None:
        """Put the first words of the prose that waits on a slide, and the rest in its notes."""
        if self.prose:
            shown, rest = split_prose(self.prose)
            slide.body.append(f'<div class="lead">{markdown2html(shown)}</div>')
            slide.notes += rest
            self.prose = []

    def conclude(self) -> None:
        """Give prose that leads nowhere a slide of its own."""
        if self.prose:
            slide = Slide("statement", self.shown_heading())
            self.lead_in(slide)
            self.slides.append(slide)

    def shown_heading(self) -> str:
        """Return the section's heading, or nothing as long as it would give the answer away."""
        return "" if self.held else self.heading

    def add_code(self, cell: dict[str, Any], source: str) -> None:
        """Add a cell of code and its outputs."""
        hidden = "hide-input" in cell["metadata"].get("tags", []) or only_imports(source) or not self.begun
        found = list(outputs(cell))
        slide = Slide("code", self.shown_heading())
        self.lead_in(slide)
        if not hidden:
            slide.body.append(code(source))
        room = 0 if hidden else LINES - height(source)
        if slide.body:
            self.slides.append(slide)
        for lines, output in found:
            self.held = False
            if 0 < lines <= room:
                slide.body.append(f'<div class="fragment">{output}</div>')
                room -= lines
            else:
                kind = "output" if lines else "picture"
                self.slides.append(Slide(kind, self.heading, [output]))
                room = 0  # What comes later is shown later.


def split_blocks(source: str) -> list[str]:
    """Return the blocks of a text in Markdown: what is separated by blank lines, fenced texts kept whole."""
    pieces = re.split(r"(^```.*?^```$)", source, flags=re.MULTILINE | re.DOTALL)
    blocks = []
    for piece in pieces:
        blocks += [piece] if piece.startswith("```") else re.split(r"\n\s*\n", piece)
    return [block.strip() for block in blocks if block.strip()]


def split_prose(paragraphs: list[str]) -> tuple[str, list[str]]:
    """Return what of some paragraphs stands on a slide, and what is left for the notes."""
    first, *others = paragraphs
    ends = [found.start() for found in SENTENCE.finditer(first)] + [len(first)]
    end = max([end for end in ends if len(first[:end].split()) <= WORDS], default=ends[0])
    # What is emphasised must not be cut.
    end = next(e for e in ends if e >= end and first[:e].count("**") % 2 == 0)
    while end < len(first) and first[end] in '*_`")':
        end += 1
    rest = first[end:].strip()
    return first[:end], [rest, *others] if rest else others


def split_listing(block: str) -> Iterator[str]:
    """Yield a list, table or fenced text in pieces that fit on a slide."""
    lines = block.splitlines()
    if block.startswith("|"):
        head, rows = lines[:2], lines[2:]
        words = len(re.sub(r"\]\([^)]*\)", "]", block).split())  # without the links' addresses
        step = ROWS if words / len(lines) < 20 else ROWS // 2 + 1
        for first in range(0, len(rows), step):
            yield "\n".join(head + rows[first : first + step])
    elif block.startswith("```"):
        yield block
    else:
        part: list[str] = []
        for item in re.split(r"\n(?=[-*] |\d+\. )", block):
            if part and sum(len(one.split()) for one in [*part, item]) > LIST_WORDS:
                yield "\n".join(part)
                part = []
            part.append(item)
        yield "\n".join(part)


def inline(text: str) -> str:
    """Return a line of Markdown as HTML without a paragraph round it."""
    return re.sub(r"^<p>|</p>$", "", markdown2html(text).strip())


def only_imports(source: str) -> bool:
    """Tell whether code does nothing but import."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic command
        return False
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)


def height(text: str) -> int:
    """Return how many lines a text takes on a slide."""
    return sum(1 + max(len(line) - 1, 0) // COLUMNS for line in text.splitlines())


def code(source: str, name: str = "ipython3") -> str:
    """Return code in colours, in type as large as its longest line allows."""
    source = re.sub(r"\n{3,}", "\n\n", source)
    longest = min(max(map(len, source.splitlines()), default=1), COLUMNS)
    size = min(WIDTH / longest / 0.605, LARGEST)  # A letter is about 0.6 times as wide as it is high.
    coloured = highlight(source, get_lexer_by_name(name), STYLE).rstrip()
    lines = "".join(f"<span>{line}\n</span>" for line in coloured.splitlines())
    return f'<pre class="code" style="--size: {size:.1f}px">{lines}</pre>'


def outputs(cell: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield a cell's outputs as HTML, each with its height in lines, which is 0 for a picture."""
    for output in cell["outputs"]:
        data = output.get("data", {})
        page, plain = "".join(data.get("text/html", "")), "".join(data.get("text/plain", ""))
        if "<img" in page:
            yield 0, page
        elif "text/markdown" in data:
            for block in split_blocks("".join(data["text/markdown"])):
                for part in split_listing(block):
                    yield LINES, markdown2html(part)
        elif "application/vnd.jupyter.widget-view+json" in data:
            continue
        elif output["output_type"] == "error":
            line = f"{output['ename']}: {output['evalue']}"
            yield height(line), text(line)
        else:
            said = (plain or "".join(output.get("text", ""))).strip()
            lines = [line for line in said.splitlines() if line.strip() or "highlight" in page]
            verdicts = all(VERDICT.match(line) for line in lines)
            step = 6 if verdicts else LINES
            for first in range(0, len(lines), step):
                part = "\n".join(lines[first : first + step])
                if verdicts:
                    yield 2 * height(part), text(part, "p", "verdict")
                else:
                    yield height(part), code(part, "python3") if "highlight" in page else text(part)


def text(said: str, tag: str = "pre", kind: str = "said") -> str:
    """Return what a cell said, each line of it in an element if these are paragraphs."""
    lines = said.splitlines() if tag == "p" else [said]
    return "".join(f'<{tag} class="{kind}">{html.escape(line)}</{tag}>' for line in lines)


def without_links(page: str) -> str:
    """Return HTML in which what links to a notebook or a file beside it is plain text."""
    return re.sub(r'<a href="(?!https?:)[^"]*"[^>]*>(.*?)</a>', r"\1", page, flags=re.DOTALL)


def make(path: Path) -> str:
    """Return the slides of a notebook as a page."""
    slides = Deck(json.loads(path.read_text("utf-8"))["cells"]).slides
    sections: list[list[Slide]] = []
    for slide in slides:
        slide.body = [without_links(part) for part in slide.body]
        if slide.opens or not sections:
            sections.append([])
        sections[-1].append(slide)
    folder = Path(__file__).parent / "templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=False)
    return environment.get_template("slides.html").render(
        title=re.sub("<.*?>", "", slides[0].title),
        sections=sections,
        styles=[(REVEAL / "dist" / name).read_text("utf-8") for name in ("reset.css", "reveal.css")],
        colours=STYLE.get_style_defs("pre.code"),
        scripts=[(REVEAL / name).read_text("utf-8") for name in ("dist/reveal.js", "plugin/notes/notes.js")],
        notes=without_links,
    )


def main() -> None:
    """Write the slides of the notebooks that the arguments name."""
    parser = argparse.ArgumentParser(description="Make slides of notebooks.")
    parser.add_argument("--to", type=Path, required=True, help="the folder for the pages")
    parser.add_argument("notebooks", type=Path, nargs="+")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    for path in given.notebooks:
        page = given.to / f"{path.stem}.html"
        page.write_text(make(path), "utf-8")
        print(page)


if __name__ == "__main__":
    main()
