"""What a recipe says about its models, prices and budget."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Sensitivity = Literal["public", "internal", "secret"]
Currency = Literal["CNY", "USD"]


class Price(BaseModel):
    """What a model costs: per million tokens, or per hour of rented machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float = Field(0.0, ge=0)
    """Money per million prompt tokens."""
    cached_prompt: float | None = Field(None, ge=0)
    """Money per million prompt tokens that the server found in its cache; None = same as prompt."""
    completion: float = Field(0.0, ge=0)
    """Money per million generated tokens, thoughts included."""
    gpu_hour: float = Field(0.0, ge=0)
    """Money per hour that the run lasts, for a rented server."""
    currency: Currency = "CNY"


class BudgetSettings(BaseModel):
    """The hard caps of a run; a run that reaches one stops, and goes on when the cap is raised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int | None = Field(None, gt=0)
    """Prompt and generated tokens together."""
    money: float | None = Field(None, gt=0)
    currency: Currency = "CNY"
    usd_to_cny: float = Field(7.1, gt=0)
    """Exchange rate used when a price and the cap are in different currencies."""


class ModelSettings(BaseModel):
    """One role: which model answers, where, and what it may see and cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = ""
    """The model's name at the endpoint; empty = the only one that it serves."""
    endpoint: tuple[str, ...] = ()
    """Base URLs ending in /v1; several are replicas of the same model."""
    local: str | None = None
    """Name of an embedded model (see `sftmill model list`), served by sftmill itself."""
    transformers: str | None = None
    """A model for scores, rewards or classes that runs in this process: a folder in the Hugging Face format, or the
    name of an embedded model."""
    scripted: str | None = None
    """Path of a file with written answers, for tests and dry runs."""
    key_env: tuple[str, ...] = ()
    """Environment variables that hold the API keys; several keys share the load."""
    revision: str | None = None
    """Version of the weights; part of every ledger key, so a new one asks anew."""
    accept: Sensitivity | None = None
    """The most sensitive row it may see; None = internal on private addresses, else public."""
    concurrency: int = Field(256, ge=1)
    """Most requests in flight per endpoint and key; the limiter finds the best number below it."""
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    timeout: float = Field(600.0, gt=0)
    """Seconds for one call."""
    patience: float = Field(43200.0, ge=0)
    """Seconds that a run waits for an endpoint that does not answer; 12 hours."""
    structured: Literal["auto", "native", "prompt"] = "auto"
    """How JSON is asked for: by the server's schema support, or in the prompt."""
    sampling: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of every step, such as {"temperature": 0.6, "max_tokens": 4096}."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent with every request, such as {"chat_template_kwargs": {"enable_thinking": false}}."""
    context: int | None = Field(None, ge=1)
    """Tokens that prompt and answer may have together."""
    price: Price | None = None
    on_refusal: str | None = None
    """Role that is asked when this one's provider refuses the content."""
    ca_file: str | None = None
    """Certificate authority for endpoints with a company's own certificates."""

    @field_validator("endpoint", "key_env", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value
