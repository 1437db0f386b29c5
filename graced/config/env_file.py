"""`env_file`: NAME=VALUE lines, read when a kernel is started. Light: members import this.

Blank lines and lines that begin with `#` are passed over, `export ` before a name too. A value in single quotes is
taken literally; in double quotes a backslash escapes n, t, r, ", $, ` and itself; without quotes it ends at the end
of the line or before ` #`. Nothing is looked up in the environment.
"""

from typing import Final

SIZE_LIMIT_BYTES: Final = 1 << 20
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "`": "`"}


def name_fault(name: str) -> str:
    """What is wrong with the name of an environment variable; empty if nothing is."""
    if name and "=" not in name and "\0" not in name and not any(char.isspace() for char in name):
        return ""
    return "is no name for an environment variable"


def read_env_file(path: str) -> dict[str, str]:
    """Raises OSError, or ValueError with one line `PATH:LINE: what is wrong`."""
    with open(path, "rb") as file:
        data = file.read(SIZE_LIMIT_BYTES + 1)
    if len(data) > SIZE_LIMIT_BYTES:
        raise ValueError(f"{path}:1: is larger than {SIZE_LIMIT_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}:{line}: is not UTF-8 text") from None
    found: dict[str, str] = {}
    for number, line_text in enumerate(text.split("\n"), 1):
        line_text = line_text.strip()
        if not line_text or line_text.startswith("#"):
            continue
        try:
            name, value = _pair(line_text)
        except ValueError as wrong:
            raise ValueError(f"{path}:{number}: {wrong}") from None
        found[name] = value
    return found


def _pair(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    name = name.removeprefix("export ").strip()
    if not equals:
        raise ValueError("needs NAME=VALUE")
    fault = name_fault(name)
    if fault:
        raise ValueError(f"{name[:60]!r} {fault}")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return name, _value(value.strip())


def _value(text: str) -> str:
    quote = text[:1]
    if quote not in ("'", '"'):
        return text.split(" #", 1)[0].rstrip() if not text.startswith("#") else ""
    out: list[str] = []
    index = 1
    while index < len(text):
        char = text[index]
        if char == quote:
            rest = text[index + 1 :].strip()
            if rest and not rest.startswith("#"):
                raise ValueError("has text after the closing quote")
            return "".join(out)
        if char == "\\" and quote == '"' and index + 1 < len(text):
            index += 1
            out.append(_ESCAPES.get(text[index], "\\" + text[index]))
        else:
            out.append(char)
        index += 1
    raise ValueError(f"has no closing {quote}")
