"""A Dapr app in Python with the dapr SDK's gRPC extension: says hello, takes events. The peer that Trilby's app channel is measured
against (docs/benchmarks.md). Usage: app.py PORT"""

import sys

from dapr.ext.grpc import App, InvokeMethodRequest, InvokeMethodResponse

app = App()


@app.method(name="hello")
def hello(_request: InvokeMethodRequest) -> InvokeMethodResponse:
    return InvokeMethodResponse(b"hello", "text/plain")


@app.subscribe(pubsub_name="broker", topic="events")
def take(_event) -> None:
    pass


app.run(int(sys.argv[1]), listen_address="127.0.0.1")
