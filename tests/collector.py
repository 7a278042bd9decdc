"""A collector of OpenTelemetry's protocol over HTTP. It reads what comes by the published schema, so by nothing of ours."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

KINDS = {value: name.removeprefix("SPAN_KIND_").lower() for name, value in SpanMessage.SpanKind.items()}


def value_of(message):
    """An AnyValue."""
    kind = message.WhichOneof("value")
    return getattr(message, kind) if kind else None


def attributes_of(messages):
    return {one.key: value_of(one.value) for one in messages}


class Span:
    def __init__(self, resource, message):
        self.resource = resource
        self.service = resource.get("service.name")
        self.trace, self.id, self.parent = message.trace_id.hex(), message.span_id.hex(), message.parent_span_id.hex()
        self.name, self.kind = message.name, KINDS[message.kind]
        self.start, self.end = message.start_time_unix_nano, message.end_time_unix_nano
        self.failed = message.status.code == 2
        self.attributes = attributes_of(message.attributes)
        self.state, self.flags = message.trace_state, message.flags
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in message.links]
        assert len(message.trace_id) == 16 and len(message.span_id) == 8 and len(message.parent_span_id) in (0, 8)

    def __repr__(self):
        return f"<{self.service}: {self.kind} {self.name!r} {self.trace[:6]}/{self.id} below {self.parent or '-'} {self.attributes}>"


class Request:
    def __init__(self, path, fields, body):
        self.path, self.fields, self.body, self.time = path, fields, body, time.monotonic()


class Collector:
    """Listens on a free port of 127.0.0.1. Answers 200 unless `answer(path, how many came before)` says otherwise: a status and header fields.
    `hold`: an event that answers wait for."""

    def __init__(self, port=0):
        self.requests = []
        self.answer = lambda path, number: (200, {})
        self.hold = None
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                number = len(collector.requests)
                collector.requests.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                if collector.hold:
                    collector.hold.wait(60)
                status, fields = collector.answer(self.path, number)
                try:
                    self.send_response(status)
                    for name, value in {"content-type": "application/x-protobuf", "content-length": "0", **fields}.items():
                        self.send_header(name, value)
                    self.end_headers()
                except OSError:
                    pass  # whoever asked has gone

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # connections that are cut

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        if self.hold:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self, trace=None):
        """All that have come, also those that were refused."""
        found = []
        for request in list(self.requests):
            if request.path.endswith("/v1/traces"):
                assert request.fields["content-type"] == "application/x-protobuf"
                for of_resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                    resource = attributes_of(of_resource.resource.attributes)
                    found += [Span(resource, span) for scope in of_resource.scope_spans for span in scope.spans]
        return [span for span in found if trace in (None, span.trace)]

    def wait_for(self, condition, seconds=30):
        """What `condition()` gives once that is true."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, f"not within {seconds} s; there are {self.spans()[-40:]}"
            time.sleep(0.02)
        return result

    def wait_for_spans(self, count, trace=None, seconds=30):
        return self.wait_for(lambda: (found := self.spans(trace))[count - 1:] and found, seconds)

    def pushes(self):
        """Of metrics: each a dictionary of what Prometheus would show, by name and labels, and the attributes of the resource."""
        return [read_metrics(request.body) for request in list(self.requests) if request.path.endswith("/v1/metrics")]


def read_metrics(body):
    series = {}
    types = {}
    resource = {}
    for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        resource = attributes_of(of_resource.resource.attributes)
        for metric in (metric for scope in of_resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            data = getattr(metric, kind)
            if kind != "gauge":
                assert data.aggregation_temporality == 2  # cumulative
            types[metric.name] = "counter" if kind == "sum" and data.is_monotonic else kind
            for point in data.data_points:
                assert point.start_time_unix_nano <= point.time_unix_nano
                labels = tuple(sorted(attributes_of(point.attributes).items()))
                if kind == "histogram":
                    count = 0
                    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
                    for bucket, bound in zip(point.bucket_counts, [*point.explicit_bounds, float("inf")], strict=True):
                        count += bucket
                        series[f"{metric.name}_bucket", (*labels, ("le", bound))] = count
                    assert count == point.count
                    series[f"{metric.name}_sum", labels] = point.sum
                    series[f"{metric.name}_count", labels] = point.count
                else:
                    series[metric.name, labels] = getattr(point, point.WhichOneof("value"))
    return series, types, resource
