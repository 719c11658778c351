"""Runs code that nobody has read: no network, no files but Python's own, no processes, bounded memory and time.

A check needs two processes, forked from one that has imported the standard library already. The *candidate* holds
the code under test; the *examiner* holds the tests and calls the candidate's functions through a pipe, so that only
plain values come back. The verdict leaves through a pipe that the candidate never had: whatever it overrides, prints,
raises or reads in its own memory, it can but give wrong values.

Both are closed in by seccomp (no system call but those of a computation), by Landlock or a root directory of their
own (no file but the standard library), by namespaces where the machine offers them, and by resource limits.
"""

from sftmill.sandbox.box import Limits, Outcome, Sandbox, SandboxUnavailable, why_unavailable

__all__ = ["Limits", "Outcome", "Sandbox", "SandboxUnavailable", "why_unavailable"]
