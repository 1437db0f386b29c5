"""Languages that look like Python, and others that got its suffix by mistake."""

import re
from typing import Final

from graced.repair.lex import BADSTR, STRING, all_tokens

_SHEBANG: Final = re.compile(
    r"#![^\r\n]*?\b(sh|bash|zsh|dash|ksh|fish|perl|ruby|node|php|lua|xonsh|sage|awk|make|Rscript|osascript)\b"
)

Signs = tuple[str, int, tuple[str, ...]]
"""(language, how many different patterns must match, patterns at the beginning of a line)."""

DIALECTS: Final[tuple[Signs, ...]] = (
    (
        "Cython",
        1,
        (
            r"(?:cdef|cpdef|ctypedef)[ \t]+(?!=|\()\S",
            r"cimport[ \t]+\w",
            r"from[ \t]+[\w.]+[ \t]+cimport\b",
            r"DEF[ \t]+\w+[ \t]*=",
            r"include[ \t]+[\"'][\w./]+\.px[id][\"']",
        ),
    ),
    (
        "Snakemake",
        2,
        (
            r"(?:rule|checkpoint)[ \t]+\w+[ \t]*:",
            r"rule[ \t]+all[ \t]*:",
            r"(?:input|output|shell|params|threads|conda|resources|log):",
            r"(?:configfile|workdir|include|container|report|localrules|ruleorder)[ \t]*:",
        ),
    ),
    (
        "Mojo",
        2,
        (
            r"fn[ \t]+\w+[\[(]",
            r"struct[ \t]+\w+",
            r"(?:var|let|alias)[ \t]+\w+[ \t]*[:=]",
            r"trait[ \t]+\w+",
            r"(?:fn|def)[ \t]+\w+\([^)]*\b(?:inout|owned|borrowed|mut|read)\b",
            r"@(?:value|parameter|register_passable|always_inline)\b",
        ),
    ),
    (
        "Ren'Py",
        2,
        (
            r"label[ \t]+[\w.]+(?:\([^)]*\))?[ \t]*:",
            r"(?:define|default|image|transform|screen|style|init)[ \t]+\w",
            r"(?:scene|show|hide|jump|play|stop)[ \t]+\w+",
            r"menu[ \t]*\w*[ \t]*:",
            r"\w{1,12}[ \t]+\"[^\"]*\"[ \t]*$",
        ),
    ),
    (
        "xonsh",
        2,
        (
            r"\$\w+(?:\.\w+\(|[ \t]*=)",
            r".*(?<![\w\"'])[$!][(\[]",
            r".*@\(",
            r"(?:cd|ls|echo|git|source|pip)[ \t]+[\w@$./~-]",
            r"aliases\[",
        ),
    ),
    (
        "a notebook of IPython",
        1,
        (
            r"%%?[a-z]\w*(?:[ \t]+[^=\s].*)?$",
            r"![a-zA-Z./~]\S*(?:[ \t].*)?$",
            r"[\w.,\[\] ]+=[ \t]*[!%][a-z]\w*(?:[ \t]|$)",
            r"[\w.]+\?{1,2}[ \t]*$",
            r"get_ipython\(\)\.run_line_magic",
        ),
    ),
    ("Sage", 2, (r"[A-Z]\w*\.<[\w, ]+>[ \t]*=", r"\w+\([\w, ]+\)[ \t]*=[ \t]*\S", r"load_attach_path")),
    ("Starlark", 1, (r"load\([ \t]*[\"'][@/:]",)),
    (
        "Vyper",
        1,
        (r"#[ \t]*@version\b", r"#[ \t]*pragma[ \t]+version\b", r"event[ \t]+[A-Z]\w*[ \t]*:", r"log[ \t]+[A-Z]\w*\("),
    ),
    ("Hy or Lisp", 2, (r"\((?:defn?|import|setv|require|let|print)[ \t]", r"\)\)+[ \t]*$", r";;")),
    (
        "Coconut",
        2,
        (r"(?:data|match def|addpattern def|pattern def)[ \t]+\w+", r".*\|>", r".*(?<!\S)->(?=[ \t]\w+[ \t]*[*+/-])"),
    ),
    (
        "Nim",
        2,
        (
            r"(?:proc|func|template|macro|iterator)[ \t]+\w+\*?\(",
            r"(?:var|let|const)[ \t]*$",
            r"import[ \t]+std/",
            r"(?:var|let|const)[ \t]+\w+[ \t]*[:=]",
        ),
    ),
    (
        "GDScript",
        2,
        (
            r"extends[ \t]+\w+[ \t]*$",
            r"func[ \t]+\w+\(",
            r"(?:@?export|@?onready|signal)\b",
            r"(?:var|const)[ \t]+\w+[ \t]*(?::?=|:)",
        ),
    ),
    (
        "Ruby",
        2,
        (
            r"end[ \t]*$",
            r"(?:puts|require|require_relative|attr_accessor|module)[ \t]+\S",
            r".*\bdo[ \t]*\|",
            r"(?:return|if|unless).*\b(?:unless|nil)\b",
            r"def[ \t]+[\w.?!]+(?:\([^)]*\))?[ \t]*$",
        ),
    ),
    (
        "Lua",
        2,
        (r"end[ \t]*\)?$", r"local[ \t]+\w+", r"(?:local[ \t]+)?function\b.*\)[ \t]*$", r".*\bthen[ \t]*$", r"--[ \t]"),
    ),
    (
        "a shell",
        2,
        (
            r"fi[ \t]*$",
            r"done[ \t]*$",
            r"esac[ \t]*$",
            r"(?:el)?if[ \t]+\[\[?[ \t].*\]",
            r"(?:for|while)\b.*;[ \t]*do[ \t]*$",
            r"then[ \t]*$",
            r".*\$\(",
            r"(?:echo|export|cd|set|source|sudo|exec|exit)[ \t]+[\w\"'$./-]",
            r"\w+\(\)[ \t]*\{",
            r".*[ \t]&&[ \t].*(?:\||>)",
        ),
    ),
    (
        "a Makefile",
        2,
        (
            r"[\w.%/$()-]+[ \t]*:(?:[ \t]+[\w./%$() -]+)?$",
            r"\.PHONY[ \t]*:",
            r"\t@?(?:cc|gcc|rm|echo|mkdir|python|\$\(|go|docker|cp|make)\b",
            r".*\$\([A-Z_]+\)",
            r"[A-Z_]+[ \t]*[:?]=",
        ),
    ),
    (
        "a Dockerfile",
        2,
        (r"FROM[ \t]+[\w./:-]+(?:[ \t]+AS[ \t]+\w+)?[ \t]*$", r"(?:RUN|COPY|WORKDIR|ENTRYPOINT|CMD|ENV|EXPOSE)[ \t]"),
    ),
    (
        "C",
        2,
        (
            r"#include[ \t]*[<\"]",
            r"#define[ \t]+\w",
            r"(?:int|void|char|static|struct|unsigned)[ \t]+\*?\w+[^=\n]*[({;][ \t]*$",
            r"(?:using namespace|namespace|template[ \t]*<)",
        ),
    ),
    (
        "Java or C#",
        2,
        (
            r"(?:public|private|protected)[ \t]+(?:static[ \t]+)?(?:final[ \t]+)?[\w<>\[\]]+[ \t]+\w+",
            r"import[ \t]+[\w.*]+;",
            r"package[ \t]+[\w.]+;",
            r"using[ \t]+[\w.]+;",
            r"(?:public[ \t]+)?(?:class|interface)[ \t]+\w+.*\{",
        ),
    ),
    (
        "Go",
        2,
        (
            r"package[ \t]+\w+[ \t]*$",
            r"func[ \t]+(?:\([^)]*\)[ \t]*)?\w+\(",
            r"import[ \t]*\([ \t]*$",
            r".*:=.*",
            r"type[ \t]+\w+[ \t]+(?:struct|interface)\b",
        ),
    ),
    (
        "Rust",
        2,
        (
            r"(?:pub[ \t]+)?fn[ \t]+\w+.*[{>]",
            r"use[ \t]+[\w:{}, ]+;",
            r"(?:pub[ \t]+)?(?:struct|enum|impl|trait|mod)[ \t]+\w+.*\{",
            r"let[ \t]+(?:mut[ \t]+)?\w+.*;",
            r"#\[\w+",
        ),
    ),
    (
        "JavaScript",
        2,
        (
            r"(?:const|let|var)[ \t]+[\w{}, ]+[ \t]*=.*;?[ \t]*$",
            r"(?:export[ \t]+)?(?:async[ \t]+)?function\b.*\{",
            r"import\b.*\bfrom[ \t]+[\"'].*;?[ \t]*$",
            r".*=>[ \t]*\{",
            r"console\.log\(",
            r"module\.exports\b",
            r"(?:export|require)\b.*;[ \t]*$",
            r"\}(?:\)|;)+[ \t]*$",
        ),
    ),
)
"""What a file in one of these languages has at the beginning of its lines, blanks aside."""
FOREIGN: Final = frozenset(
    (
        "Hy or Lisp",
        "Nim",
        "Ruby",
        "Lua",
        "a shell",
        "a Makefile",
        "a Dockerfile",
        "C",
        "Java or C#",
        "Go",
        "Rust",
        "JavaScript",
    )
)
"""Languages that share little with Python: a file that has `PYTHON_LEAST` lines of plain Python is in none of these."""
PYTHON_LEAST: Final = 2
_PYTHON: Final = re.compile(
    r"^[ \t]*(?:def[ \t]+\w+\(.*\).*:|class[ \t]+\w+.*:|import[ \t]+[\w.]+(?:[ \t]+as[ \t]+\w+)?"
    r"|from[ \t]+[\w.]+[ \t]+import[ \t].*"
    r"|(?:if|elif|for|while|with)\b.*:|else:|try:)[ \t]*(?:#.*)?$",
    re.MULTILINE,
)
_COMPILED: Final = [
    (
        language,
        least,
        [re.compile(("^(?:" if language == "a Makefile" else r"^[ \t]*(?:") + p + ")", re.MULTILINE) for p in patterns],
    )
    for language, least, patterns in DIALECTS
]


def is_dialect(_path: str, text: str) -> str | None:
    shebang = _SHEBANG.match(text)
    if shebang is not None:
        return f"its first line says that {shebang.group(1)} runs it"
    strings: list[tuple[int, int]] | None = None
    python = len(_PYTHON.findall(text)) >= PYTHON_LEAST
    for language, least, patterns in _COMPILED:
        if python and language in FOREIGN:
            continue
        found = 0
        for pattern in patterns:
            for match in pattern.finditer(text):
                if strings is None:
                    strings = [(t.start, t.end) for t in all_tokens(text) if t.kind in (STRING, BADSTR)]
                at = match.end() - 1 if ".*" in pattern.pattern[:16] else match.start()
                if not any(low <= at < high for low, high in strings):
                    found += 1
                    break
            if found >= least:
                return f"it is written for {language}, not for Python"
    return None
