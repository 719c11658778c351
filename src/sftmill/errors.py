"""Every exception that sftmill raises on purpose.

    SftmillError
    ├── RecipeError              the recipe, its prompts, models or columns do not fit together
    ├── RunError                 the run directory cannot be used
    │   ├── RunLocked            another process works on this run
    │   └── StorageError         the disk is full, read-only or damaged
    ├── RunStopped               the run ended early on purpose; the same command goes on from here
    │   ├── BudgetExhausted      the cap in tokens or money is reached
    │   ├── FailureCeiling       too large a share of the rows failed
    │   └── EndpointGone         an endpoint stayed away longer than the recipe's patience
    ├── LedgerError              the ledger cannot be opened, or would not be safe where it lies
    ├── ModelFileError           a model file is missing, or its bytes are not the pinned ones
    └── ModelError               a call to a model did not give an answer
        ├── TransportError       nothing was answered; the same call may be sent again
        │   ├── Unreachable      no connection
        │   ├── ConnectionLost   reset or closed in the middle
        │   ├── CallTimeout      no answer in time
        │   ├── MalformedBody    an answer that is not what the protocol promises
        │   ├── ServerFault      HTTP 5xx
        │   └── Overload         the server asks for less
        │       └── RateLimited  HTTP 429, with Retry-After where it was given
        ├── CallRejected         sending the same call again cannot help
        │   ├── ContextTooLong   prompt and answer do not fit the model's context
        │   ├── BadRequest       the server does not understand the request
        │   └── LeakRefused      the row is more sensitive than the endpoint may see
        ├── ReplyUnusable        a complete answer that cannot be used; kept in the ledger
        │   ├── ContentRefused   the provider's filter refused the prompt or the answer
        │   ├── Truncated        cut off by max_tokens, twice
        │   └── Unparsable       not the structure that was asked for, after the repairs
        └── AccountError         no call of this account can succeed until a person acts
            ├── AuthFailed       the key is missing, wrong or not allowed
            ├── QuotaExhausted   the account has no credit left
            └── ModelNotFound    the endpoint does not serve this model

Messages say what is wrong, where, the value, and end with the next command or remedy.
Keys, prompts and answers never appear in them.
"""


class SftmillError(Exception):
    """The root of the tree: catching it catches everything that sftmill raises on purpose."""


class RecipeError(SftmillError):
    """The recipe cannot run; `problems` names everything that is wrong with it, one line each."""

    def __init__(self, problems: list[str] | str):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self):
        return type(self), (self.problems,)


class RunError(SftmillError):
    """The run directory cannot be used as it is."""


class RunLocked(RunError):
    """Another process works on this run."""


class StorageError(RunError):
    """The disk is full, read-only or damaged."""


class RunStopped(SftmillError):
    """The run ended early on purpose; nothing is lost and the same command goes on."""


class BudgetExhausted(RunStopped):
    """The next call could exceed the cap in tokens or money."""


class FailureCeiling(RunStopped):
    """A larger share of the rows failed than the recipe allows."""


class EndpointGone(RunStopped):
    """An endpoint stayed away for longer than the recipe's patience."""


class LedgerError(SftmillError):
    """The ledger cannot be opened, read or written safely."""


class ModelFileError(SftmillError):
    """A model file is missing, or its bytes are not the pinned ones."""


class ModelError(SftmillError):
    """A call to a model did not give a usable answer."""


class TransportError(ModelError):
    """Nothing was answered, so the same call may be sent again."""


class Unreachable(TransportError):
    """No connection to the endpoint could be made."""


class ConnectionLost(TransportError):
    """The connection was reset or closed before the answer was complete."""


class CallTimeout(TransportError):
    """No complete answer came within the time limit."""


class MalformedBody(TransportError):
    """HTTP said success, but the body is not what the protocol promises."""


class ServerFault(TransportError):
    """The server failed (HTTP 5xx)."""


class Overload(TransportError):
    """The server asks for less; `retry_after` is in seconds, None when it did not say."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self):
        return type(self), (self.args[0], self.retry_after)


class RateLimited(Overload):
    """A limit in requests or tokens a minute, or in parallel requests, is reached (HTTP 429)."""


class CallRejected(ModelError):
    """Sending the same call again cannot help."""


class ContextTooLong(CallRejected):
    """The prompt and the answer do not fit into the model's context."""


class BadRequest(CallRejected):
    """The server does not understand or accept the request."""


class LeakRefused(CallRejected):
    """The row is more sensitive than what the endpoint may see."""


class ReplyUnusable(ModelError):
    """A complete answer came that cannot be used; it is kept in the ledger."""


class ContentRefused(ReplyUnusable):
    """The provider's content filter refused the prompt or the answer."""


class Truncated(ReplyUnusable):
    """The answer was cut off by max_tokens, also with twice the tokens."""


class Unparsable(ReplyUnusable):
    """The answer is not the structure that was asked for, also after repairs."""


class AccountError(ModelError):
    """No call of this account can succeed until a person acts; it stops the run."""


class AuthFailed(AccountError):
    """The key is missing, wrong, or not allowed to do this."""


class QuotaExhausted(AccountError):
    """The account has no credit left."""


class ModelNotFound(AccountError):
    """The endpoint does not serve this model."""
