"""Templates: what an engine makes of them is Python, maybe; they are none. Only signs outside strings and comments."""

import re
from pathlib import PurePosixPath
from typing import Final

from graced.repair.lex import BADSTR, COMMENT, STRING, all_tokens

_SIGNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\{%.{0,200}?%\}|\{#.{0,200}?#\}"), "Jinja or Django"),
    (re.compile(r"\{\{-?[ \t]*[#/^&>]?[ \t]*[A-Za-z_][^{}\r\n]{0,200}\}\}"), "Jinja or Handlebars"),
    (re.compile(r"<%[^\r\n]{0,200}?%>|<%(?:def|block|page|namespace|include|inherit)\b"), "Mako or ERB"),
    (
        re.compile(r"^[ \t]*%[ \t]*(?:if|for|while|endif|endfor|endwhile|elif|else)\b[^\r\n]*", re.MULTILINE),
        "Mako or Bottle",
    ),
    (re.compile(r"\$\{[^{}\r\n]{1,200}\}"), "Mako or string.Template"),
    (re.compile(r"(?<![\w$])\$[A-Za-z_]\w*(?!\w|->|::)"), "string.Template or Cheetah"),
    (re.compile(r"\[%-?[ \t].{0,200}?%\]"), "Template Toolkit or Copier"),
    (re.compile(r"(?<![\w@])@[A-Z][A-Z0-9_]*@"), "Autoconf or CMake"),
    (re.compile(r"(?:^|[=(,\[:][ \t]*)%\(\w+\)[sdrf]\b", re.MULTILINE), "%-formatting"),
    (re.compile(r"(?<![\w<])<<?%?=?[ \t]*cookiecutter\.|\bcookiecutter\.\w+[ \t]*\}\}"), "Cookiecutter"),
)
_NAME: Final = re.compile(r"\{\{|\}\}|\.(?:j2|jinja2?|mako|tmpl|tpl|in|template)(?:\.|$)")
PHP: Final = re.compile(r"\$\w+[ \t]*(?:=|->)[^\r\n]*;[ \t]*$", re.MULTILINE)
"""`$x = f();`: the habit of PHP and Perl, no template."""


def is_template(path: str, text: str) -> str | None:
    if _NAME.search(PurePosixPath(path).name) or "{{" in path:
        return "it is a template, by its name"
    if not any(sign in text for sign in ("{%", "{{", "{#", "<%", "$", "[%", "@", "%")):
        return None
    covered: list[tuple[int, int]] | None = None
    for pattern, engine in _SIGNS:
        for match in pattern.finditer(text):
            if covered is None:
                covered = [(t.start, t.end) for t in all_tokens(text) if t.kind in (STRING, COMMENT, BADSTR)]
            at = match.start()
            if any(low <= at < high for low, high in covered):
                continue
            if engine == "string.Template or Cheetah" and PHP.search(text):
                continue
            return f"it is a template ({engine})"
    return None
