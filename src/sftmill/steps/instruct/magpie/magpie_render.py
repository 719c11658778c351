"""Renders a chat template in a process of its own: a template comes with a model and may be anybody's.

    python -P magpie_render.py < job.json

The job is {"template", "bos", "eos", "conversations": [[{"role", "content"}, ...], ...]}, all text; the answer, on
standard output, a list of {"text"} or {"error"}, one per conversation. The sandbox keeps a template from Python's
internals; the process's limits (2 CPU seconds, 400 MiB) from burning the machine. Only jinja2 and the standard library
are imported, so that it starts in a quarter of a second.
"""

import contextlib
import json
import sys
from datetime import datetime
from itertools import islice

CPU_SECONDS = 2
MEMORY = 400 << 20
LONGEST = 200_000
"""Characters that a conversation may become."""
DAY = datetime(2024, 7, 26)
"""The day that templates are told, always the same, so that a rerun sends the same text."""


def limit() -> None:
    """Bound this process's time and memory, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def environment():
    """Return Jinja's sandbox with what chat templates expect: loop controls, raise_exception, strftime_now, tojson."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Takes {% generation %} blocks, which mark what is trained on, for what they hold."""

        tags = frozenset({"generation"})

        def parse(self, parser):
            """Return the block's content."""
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: object = "") -> None:
        raise jinja2.TemplateError(str(message)[:200])

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = lambda value, **options: json.dumps(
        value, ensure_ascii=False, indent=options.get("indent")
    )
    made.globals |= {"raise_exception": refuse, "strftime_now": DAY.strftime}
    return made


def render(job: dict) -> list[dict[str, str]]:
    """Return what becomes of each conversation."""
    template = environment().from_string(job["template"])
    answers = []
    for messages in job["conversations"]:
        if answers and "error" in answers[0]:  # the plainest conversation failed: no use in trying the others
            answers.append(answers[0])
            continue
        try:
            pieces, size = [], 0
            values = {"messages": messages, "bos_token": job["bos"], "eos_token": job["eos"]}
            for piece in template.generate(**values, add_generation_prompt=False):
                size += len(piece)
                if size > LONGEST:
                    raise ValueError(f"it makes more than {LONGEST:,} characters")
                pieces.append(piece)
            answers.append({"text": "".join(pieces)})
        except Exception as error:
            answers.append({"error": " ".join(islice(str.split(f"{type(error).__name__}: {error}"), 40))})
    return answers


def main() -> None:
    """Do the job that stands on standard input."""
    limit()
    job = json.load(sys.stdin)
    try:
        answer = render(job)
    except Exception as error:  # a template that does not even compile
        answer = [{"error": f"{type(error).__name__}: {error}"[:300]}] * len(job["conversations"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
