"""What `graced fix` tells other programs: JSON, annotations of GitHub's workflows, SARIF 2.1.0."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from graced.mending.many import FileFix
    from graced.mending.spots import Spot

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
HOME_PAGE: Final = "https://pypi.org/project/graced/"
RULE: Final = "does-not-compile"


def plain(each: "FileFix", diff: bool) -> dict[str, Any]:
    """As in the contract; where there is more to say `why`, `rules`, `places`, and with --diff the patch."""
    found: dict[str, Any] = {
        "path": each.path, "state": each.state, "errors": list(each.errors), "edits": each.edits,
        "confidence": round(each.confidence, 3), "ms": round(each.ms, 3),
    }  # fmt: skip
    if each.why:
        found["why"] = each.why
    if each.rules:
        found["rules"] = list(each.rules)
    if each.spots:
        found["places"] = [
            {"line": spot.line, "column": spot.column, "end_column": spot.end_column, "message": _said(spot)}
            for spot in each.spots
        ]
    if diff and each.before is not None:
        from graced.mending.patch import unified

        for name, reading in (("diff", each.after), ("other", each.other)):
            if reading is not None:
                found[name] = unified(each.before, reading, each.path).decode("utf-8", "backslashreplace")
    return found


def github(found: "Sequence[FileFix]") -> list[str]:
    """One workflow command for each error."""
    lines = []
    for each in found:
        if each.state == "intact":
            continue
        kind = "notice" if each.state == "fixed" else "error"
        for line, column, end, said in _places(each):
            where = f"file={_property(each.path)},line={line},col={column},endColumn={end},title=graced"
            lines.append(f"::{kind} {where}::{_data(f'{said} ({_outcome(each)})')}")
    return lines


def _places(each: "FileFix") -> list[tuple[int, int, int, str]]:
    if each.spots:
        return [(spot.line, spot.column, spot.end_column, _said(spot)) for spot in each.spots]
    return [(1, 1, 2, each.errors[0] if each.errors else "cannot be read")]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(found: "Sequence[FileFix]", version: str) -> dict[str, Any]:
    """One run with a result for each error; what would mend it as a fix."""
    results = []
    for each in found:
        if each.state == "intact":
            continue
        for line, column, end, said in _places(each):
            region = {"startLine": line, "startColumn": column, "endColumn": end}
            location = {"artifactLocation": {"uri": _uri(each.path)}, "region": region}
            result: dict[str, Any] = {
                "ruleId": RULE, "level": "note" if each.state == "fixed" else "error",
                "message": {"text": f"{said} ({_outcome(each)})"}, "locations": [{"physicalLocation": location}],
            }  # fmt: skip
            fix = _fix(each)
            results.append({**result, "fixes": [fix]} if fix is not None else result)
    rule = {"id": RULE, "shortDescription": {"text": "A Python file that does not compile"}}
    driver = {"name": "graced", "version": version, "informationUri": HOME_PAGE, "rules": [rule]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _fix(each: "FileFix") -> dict[str, Any] | None:
    """The changed lines as replacements; None where nothing was found, or it is in place already."""
    if each.before is None or each.after is None:
        return None
    from graced.mending.gates import opcodes
    from graced.mending.lines import lines_of

    old, new = lines_of(each.before).texts, lines_of(each.after).texts
    changes = []
    for tag, old_start, old_end, start, end in opcodes(old, new):
        if tag != "equal":
            text = "".join(f"{line}\n" for line in new[start:end])
            region = {"startLine": old_start + 1, "startColumn": 1, "endLine": old_end + 1, "endColumn": 1}
            changes.append({"deletedRegion": region, "insertedContent": {"text": text}})
    change = {"artifactLocation": {"uri": _uri(each.path)}, "replacements": changes}
    return {"description": {"text": _outcome(each)}, "artifactChanges": [change]}


def _outcome(each: "FileFix") -> str:
    from graced.mending.rules_in_words import in_words

    told = in_words(each.rules)
    if each.state == "not_fixed":
        return f"not fixed: {each.why}" if each.why else "not fixed"
    sure = f"confidence {each.confidence:.2f}"
    word = "fixed" if each.state == "fixed" else f"suggestion: {each.why}"
    return "; ".join(part for part in (word, told, sure) if part)


def _said(spot: "Spot") -> str:
    return f"{spot.kind}: {spot.message}"


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(path).replace(b"\\", b"/"))
