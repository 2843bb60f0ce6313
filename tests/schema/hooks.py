"""Keeps harmless what Schemathesis asks of a live node, and says what the document can't.

Every command that reaches the node is one of these programs, whatever the document would allow.
scripts/fuzz-api takes away the others too.
"""

import collections
import itertools
import json
import re
import zlib

import schemathesis

# `true` and `false` take any arguments.
PROGRAMS = [["true"], ["false"], ["true"], ["sleep", "0.2"]]

# Bounds that JSON Schema has no words for: lengths in bytes, what stands beside what, what is on the
# machine. Whatever else the document allows has to be accepted.
BEYOND_THE_DOCUMENT = (
    "has a length of",
    "name is not valid",
    "names an agent twice",
    "line breaks",
    "it can't run in",
    "stepMs` is too small",
    "is not before `to`",
    "no word to look for",
    "of a page of this list",
    "number too large",
    "`to` is before `from`",
    # 7.0 is an integer to JSON Schema, and none to most programs.
    "floating point",
    "`from` and `to` need the epoch",
    "the body has more than",
)

# What an agent may wait for depends on the agents there are. These are all the reasons to refuse it.
AGENT = r"(?:.+ \()?ag-[0-9a-z]{5}\)?"
DEPENDENCIES = re.compile(
    rf"dependsOn: (?:there is no agent {AGENT}"
    rf"|nothing probes {AGENT}, so it would never be known to be healthy; give it a probe first"
    rf"|it would wait for itself, by way of {AGENT}(?:, which waits for {AGENT})*)",
    re.DOTALL,
)

counter = itertools.count()
agents = collections.deque(maxlen=20)


@schemathesis.hook
def before_call(context, case, kwargs):
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    tame(case.body, is_valid)
    # An id that is drawn names nothing; where requests don't build on each other, one that does.
    if is_valid and case.meta.phase.name.value != "stateful" and case.path.startswith("/v1/agents/{id}"):
        if agents and next(counter) % 4:
            case.path_parameters["id"] = agents[next(counter) % len(agents)]
    # Something has happened since the first event; without this the answer waits for the next.
    if case.path == "/v1/events" and "Last-Event-ID" not in case.headers:
        case.headers["Last-Event-ID"] = "1"
    # A client draws a key for each request; now and then one is used again.
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and 8 <= len(key) <= 128 and key.isascii() and key.isprintable() and " " not in key:
        number = next(counter)
        if number % 5:
            case.headers["Idempotency-Key"] = f"{key[:100]}-{number}"


def tame(value, is_valid):
    """Gives every command in `value` another program, wherever it stands. One that is valid by the
    document may still name none, which the document can't forbid."""
    if isinstance(value, list):
        for item in value:
            tame(item, is_valid)
    if not isinstance(value, dict):
        return
    for item in value.values():
        tame(item, is_valid)
    argv = value.get("argv")
    if isinstance(argv, list) and argv and isinstance(argv[0], str) and (argv[0] or is_valid):
        # The same words make the same command in every run.
        chosen = PROGRAMS[zlib.crc32(argv[0].encode("utf-8", "replace")) % len(PROGRAMS)]
        value["argv"] = chosen if chosen[0] == "sleep" else [*chosen, *argv[1:]]
        # Where nothing is, nothing starts: half of the commands are to.
        if isinstance(value.get("cwd"), str) and value["cwd"] and len(value["cwd"]) % 2:
            value["cwd"] = "/"


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 201 and case.path == "/v1/agents":
        agents.append(response.json()["agentId"])


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is one."""
    kind = type(failure).__name__
    if kind == "RejectedPositiveData":
        why = detail_of(response)
        return not (DEPENDENCIES.fullmatch(why) or any(words in why for words in BEYOND_THE_DOCUMENT))
    if kind == "IgnoredAuth":
        # After ten wrong tokens within a minute no other is looked at.
        return "`429" not in failure.message
    return True


def detail_of(response):
    """What a refusal says for people; nothing if it is no problem+json, which another check judges."""
    try:
        return response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return ""


@schemathesis.deserializer("application/x-ndjson")
def lines(context, response):
    return [json.loads(line) for line in response.content.splitlines()]
