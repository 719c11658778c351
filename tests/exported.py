"""Rows to export, and what tests of exports share."""

import asyncio
import json
from types import SimpleNamespace


class FakeShards:
    def __init__(self, rows):
        self._rows = rows

    def rows(self):
        return iter(self._rows() if callable(self._rows) else self._rows)


def run(step, rows, folder):
    async def collect():
        desk = SimpleNamespace(output=folder)
        return [item async for item in step.run({"rows": FakeShards(rows)}, desk)]

    return asyncio.run(collect())


def user(text):
    return {"role": "user", "content": text}


def assistant(text, calls=None):
    return {"role": "assistant", "content": text, "tool_calls": json.dumps(calls) if calls else None}


def system(text):
    return {"role": "system", "content": text}


def tool(text):
    return {"role": "tool", "content": text}


def call(name, **arguments):
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def row(*messages, **more):
    return {"id": "0" * 32, "messages": list(messages), **more}


ZH = row(user("PUE 是什么？"), assistant("总能耗与 IT 能耗之比。"), lang="zh")
EN = row(system("Be brief."), user("What is 1U?"), assistant("44.45 mm."), lang="en")
LONG = row(user("一？"), assistant("1"), user("二？"), assistant("2"), user("三？"), assistant("3"))
TOOLS = json.dumps(
    [{"name": "read_sensor", "description": "读传感器", "parameters": {"type": "object", "properties": {}}}]
)
CALLING = row(
    user("进风多少度？"),
    assistant(None, [call("read_sensor", rack="A1")]),
    tool('{"celsius": 24.50}'),
    assistant("24.5 °C。"),
    tools=TOOLS,
)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def array(path):
    return json.loads(path.read_text(encoding="utf-8"))
