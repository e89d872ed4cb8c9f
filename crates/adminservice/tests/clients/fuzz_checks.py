"""What schemathesis holds every answer against: OData's own form, whatever was sent; no failure of the server but the
honest 501, and "busy" with a time to come back at; nothing of its inside."""

import json
import re

import schemathesis

LEAKS = re.compile(r"SELECT .* FROM |sqlite|postgres|panicked|\.rs:\d|/tmp/|/home/", re.IGNORECASE)
NOT_IMPLEMENTED = 501
BUSY = 503
NO_CONTENT = 204


@schemathesis.check
def answers_in_odata(ctx, response, case):
    status, text = response.status_code, response.content.decode("utf-8")
    # What goes on once at a time says so to the second that asks.
    come_back = status == BUSY and '"CauseInfo":"busy"' in text and response.headers.get("retry-after")
    if status >= 500 and status != NOT_IMPLEMENTED and not come_back:
        raise AssertionError(f"status {status}: {text[:400]}")
    kind = response.headers.get("content-type", [""])[0]
    if status == NO_CONTENT or not text:
        # An answer to HEAD or OPTIONS has no body either.
        return
    if kind.startswith(("text/plain", "application/xml")) and status < 300:
        return
    if not kind.startswith("application/json"):
        raise AssertionError(f"content type {kind!r} with status {status}: {text[:400]}")
    answer = json.loads(text)
    if status < 300:
        if not str(answer.get("@odata.context", "")).startswith("http"):
            raise AssertionError(f"no context: {text[:400]}")
        return
    error = answer["error"]
    if error["code"] != str(status) or not error["message"]:
        raise AssertionError(f"status {status} with {error}")
    # The client's own words come back in messages; what it did not say must not.
    found = LEAKS.search(error["message"])
    if found and found.group(0).lower() not in f"{case.path_parameters} {case.query} {case.body}".lower():
        raise AssertionError(f"the message says {found.group(0)!r}: {error['message']}")
