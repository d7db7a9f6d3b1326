"""What the gateway counts, in Prometheus' conventions: base units, `_total` for counters.

Every label has few values that are known in advance: routes are patterns, never paths; outcomes are
our own codes; callers are no label at all.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from heyken_glue.domain.continuing import Resumed
from heyken_glue.domain.messages import State
from heyken_glue.gateway.answers import Answer

PREFIX = "heyken_gateway"
NO_ROUTE = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)
TOKEN_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 60)
WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40)
SPEED_BUCKETS = (1, 2, 5, 10, 20, 40, 80, 160, 320)


class Refused(enum.StrEnum):
    """Why a request was sent away although it was right."""

    RATE = "rate"
    QUEUE_FULL = "queue_full"
    QUEUE_WAIT = "queue_wait"
    DRAINING = "draining"


class CircuitState(enum.StrEnum):
    """Whether a back end is asked: always, never, or by one request to see how it is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class RequestSeen:
    """A request that is over; `route` is a pattern, None where none matched."""

    route: str | None
    method: str
    status: int
    seconds: float


class Metrics:
    """All figures of one gateway, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._of_requests()
        self._of_answers()
        self._of_the_queue()
        self._of_back_ends()

    def _of_requests(self) -> None:
        self._requests = self._counter(
            "requests", "Requests by route, method and status.", "route", "method", "status"
        )
        self._request_seconds = self._histogram(
            "request_duration_seconds", "Time to the end of the response.", REQUEST_BUCKETS, "route"
        )
        self._refused = self._counter(
            "refused_requests", "Requests sent away with 429 or 503, by the reason.", "reason"
        )
        for reason in Refused:
            self._refused.labels(reason)

    def _of_answers(self) -> None:
        self._answers = self._counter("answers", "Answers that are over, by outcome.", "outcome")
        self._answers.labels("answered")
        self._resumed = self._counter(
            "resumed_answers",
            "Answers that went on after a loss and are over, by whether the text was continued or "
            "made again.",
            "how",
        )
        for how in Resumed:
            self._resumed.labels(how)
        self.first_token_seconds = self._histogram(
            "time_to_first_token_seconds",
            "From the question's turn at a back end to its first token.",
            TOKEN_BUCKETS,
        )
        self.tokens = self._counter("tokens", "Pieces of text that back ends gave.")
        self.tokens_per_second = self._histogram(
            "answer_tokens_per_second", "Speed of an answer after its first token.", SPEED_BUCKETS
        )

    def _of_the_queue(self) -> None:
        self.answers_running = self._gauge("answers_running", "Questions whose turn it is.")
        self.queue_length = self._gauge("queue_length", "Questions that wait for their turn.")
        self.queue_wait_seconds = self._histogram(
            "queue_wait_seconds", "How long questions waited for their turn.", WAIT_BUCKETS
        )

    def _of_back_ends(self) -> None:
        self._asked = self._counter(
            "backend_requests", "Questions given to a back end, by outcome.", "backend", "outcome"
        )
        self._retries = self._counter(
            "retries", "Questions that a back end got because one before it failed.", "backend"
        )
        self._states = self._gauge(
            "backend_state", "1 for the state in which a back end is.", "backend", "state"
        )
        self.unit_up = self._gauge(
            "unit_up", "1 while another unit of this core tells its figures.", "unit"
        )

    def request(self, seen: RequestSeen) -> None:
        """Count a request that is over."""
        route = seen.route or NO_ROUTE
        method = seen.method if seen.method in METHODS else "other"
        self._requests.labels(route, method, str(seen.status)).inc()
        self._request_seconds.labels(route).observe(seen.seconds)

    def refused(self, reason: Refused) -> None:
        """Count a request that was sent away."""
        self._refused.labels(reason).inc()

    def answer(self, answer: Answer) -> None:
        """Count an answer when it ends; called at each of its states."""
        if answer.state is State.ANSWERED:
            self._answers.labels("answered").inc()
        elif answer.state is State.FAILED:
            code = answer.failure.code if answer.failure is not None else "unknown"
            self._answers.labels(code).inc()
        ends_here = answer.state in (State.ANSWERED, State.FAILED) and not answer.left
        if ends_here and answer.resumed is not None and not answer.relayed:
            self._resumed.labels(answer.resumed).inc()

    def asked(self, backend: str, *, outcome: str) -> None:
        """Count a question that a back end was given; `outcome`: ok, failed, refused, left."""
        self._asked.labels(backend, outcome).inc()

    def retried(self, backend: str) -> None:
        """Count a question that came to this back end because another failed."""
        self._retries.labels(backend).inc()

    def state(self, backend: str, current: CircuitState) -> None:
        """Show in which state a back end is."""
        for state in CircuitState:
            self._states.labels(backend, state).set(state is current)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"{PREFIX}_{name}", meaning, labels, buckets=buckets, registry=self.registry
        )
