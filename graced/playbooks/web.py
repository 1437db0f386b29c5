"""HTTP for playbooks: look at a page, tell somebody something."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from graced.playbooks.perform import Outcome
from graced.spec.actions import HttpRequestArgs

_JSON_SCHEMES: Final = {"json": "http", "jsons": "https"}
NO_HEADERS: Final[dict[str, str]] = {}
_ODD: Final = (urllib.error.URLError, http.client.HTTPException, OSError, ValueError)


def _request(
    url: str, timeout_s: float, limit_bytes: int, data: bytes | None = None, method: str | None = None,
    headers: Mapping[str, str] = NO_HEADERS,
) -> tuple[int, bytes]:  # fmt: skip
    """Status and the beginning of the body; a status of 400 or more is an answer too. Raises what is in _ODD."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url[:100]!r} is no http or https URL")
    usual = {"User-Agent": "graced", **({"Content-Type": "application/json"} if data is not None else {})}
    request = urllib.request.Request(url, data=data, headers={**usual, **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read(limit_bytes)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read(limit_bytes)


def get(url: str, expect: int | str, timeout_s: float, limit_bytes: int) -> Outcome:
    """Well if the status is `expect`, or the body of a good answer holds it."""
    return _judged(url, expect, timeout_s, limit_bytes)


def send(args: HttpRequestArgs, timeout_s: float, limit_bytes: int) -> Outcome:
    """The same of any request; without `expect` every status below 400 is well."""
    body = args.body
    data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    return _judged(args.url, args.expect, timeout_s, limit_bytes, data, args.method, args.headers)


def _judged(
    url: str, expect: int | str | None, timeout_s: float, limit_bytes: int, data: bytes | None = None,
    method: str | None = None, headers: Mapping[str, str] = NO_HEADERS,
) -> Outcome:  # fmt: skip
    try:
        status, body = _request(url, timeout_s, limit_bytes, data, method, headers)
    except _ODD as error:
        return Outcome(False, f"{url}: {getattr(error, 'reason', None) or error}")
    text = body.decode(errors="replace")
    output: dict[str, Any] = {"status": status, "body": text}
    if isinstance(expect, int):
        return Outcome(status == expect, f"{url}: {status}" + ("" if status == expect else f", not {expect}"), output)
    if status >= 400 or expect is None:
        return Outcome(status < 400, f"{url}: {status}", output)
    held = expect in text
    return Outcome(held, f"{url}: {status}" + ("" if held else f", without {expect[:60]!r}"), output)


def tell(urls: Sequence[str], title: str, message: str, timeout_s: float) -> Outcome:
    """Send a message to every Apprise URL. json:// and jsons:// are spoken here; others need the package apprise."""
    if not urls:
        return Outcome(False, "there is nobody to tell: `notify` in graced.yaml is empty", applies=False)
    wrong = [f"{_shown(url)}: {fault}" for url in urls if (fault := _tell_one(url, title, message, timeout_s))]
    told = len(urls) - len(wrong)
    return Outcome(not wrong, f"told {told} of {len(urls)}" + "".join(f"; {text}" for text in wrong))


def _tell_one(url: str, title: str, message: str, timeout_s: float) -> str:
    """What went wrong; empty if nothing did."""
    parts = urlsplit(url)
    try:
        if parts.scheme in _JSON_SCHEMES and "@" not in parts.netloc:
            data = {"version": "1.0", "title": title, "message": message, "type": "warning", "attachments": []}
            target = urlunsplit((_JSON_SCHEMES[parts.scheme], parts.netloc, parts.path or "/", parts.query, ""))
            status, _ = _request(target, timeout_s, 1024, json.dumps(data).encode())
            return "" if status < 300 else f"answered {status}"
        return _by_apprise(url, title, message)
    except _ODD as error:
        return str(getattr(error, "reason", None) or error)


def _by_apprise(url: str, title: str, message: str) -> str:
    from importlib import import_module

    try:
        apprise = import_module("apprise")  # optional; not among what graced depends on
    except ImportError:
        return "needs the package apprise (pip install 'graced[notify]')"
    sender = apprise.Apprise()
    if not sender.add(url):
        return "apprise does not know this kind of URL"
    return "" if sender.notify(body=message, title=title) else "apprise could not send it"


def _shown(url: str) -> str:
    """Scheme and host alone: the rest of such a URL is often a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or '…'}"
