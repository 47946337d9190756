"""What is counted, in Prometheus' format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PATHS = frozenset(
    {"/", "/healthz", "/metrics", "/openapi.json", "/v1/alarms", "/v1/generate", "/v1/monitors", "/v1/score"}
)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tiltmeter_requests", "Requests answered.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "tiltmeter_request_seconds",
            "From the head of a request to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.waiting = Gauge("tiltmeter_waiting", "Requests in the queue.", registry=self._registry)
        self.batch = Histogram("tiltmeter_batch_texts", "Texts read at once.", buckets=_TEXTS, registry=self._registry)
        self.alarms = Counter("tiltmeter_alarms", "Alarms raised.", ["monitor"], registry=self._registry)
        self.unlike = Counter(
            "tiltmeter_unlike", "Texts unlike those of the threshold.", ["monitor"], registry=self._registry
        )
        self.tokens = Counter("tiltmeter_generated_tokens", "Tokens generated.", registry=self._registry)

    def answered(self, path: str, *, status: int, seconds: float) -> None:
        """Count an answer; paths that are not the service's own are counted as one."""
        known = path if path in PATHS else "other"
        self._requests.labels(known, str(status)).inc()
        self._seconds.labels(known).observe(seconds)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)
