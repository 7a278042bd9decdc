"""One system that Dapr brings everything it can: Trilby behind a real daprd, with Redis as broker, configuration store and nothing faked.

Tests are named after what Dapr does. Where a running daprd disagrees with its documentation, the test says so.
"""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from sidecar import IMPLEMENTATIONS, PROBES, PROGRAMS, Redis, Scheduler, app_protocol, component, write_resources  # noqa: E402
from world import MANIFEST, RESILIENCY, SHOP, TOKEN, World, subscription  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--dapr", choices=sorted(IMPLEMENTATIONS), default="daprd", help="which implementation of Dapr stands before Trilby")


@pytest.fixture(scope="session")
def sidecar_class(request):
    name = request.config.getoption("--dapr", "daprd")  # pytest knows the option only where this folder is named
    if name == "daprd":
        assert (PROGRAMS / "daprd").exists(), "the real Dapr is not built; run `make dapr`"
    return IMPLEMENTATIONS[name]


@pytest.fixture(scope="session", params=["http", "h2c", "grpc"])
def world(request, system_class, sidecar_class, guests, tmp_path_factory):
    """One for each protocol of the app channel: what Dapr brings, and what becomes of it, is the same."""
    protocol = request.param
    scratch = tmp_path_factory.mktemp("world")
    redis = Redis(scratch)
    scheduler = Scheduler(scratch)
    resources = scratch / "resources"
    broker = {"redisHost": redis.address, "concurrency": "4"}
    write_resources(resources, {
        "broker": component("broker", "pubsub.redis", **broker),
        "strict": component("strict", "pubsub.redis", **broker),
        "impatient": component("impatient", "pubsub.redis", **broker),
        "settings": component("settings", "configuration.redis", redisHost=redis.address),
        "every-second": component("every-second", "bindings.cron", [SHOP], schedule="@every 1s"),
        "elsewhere": component("elsewhere", "bindings.cron", [SHOP], schedule="@every 1s", route="/bindings/elsewhere"),
        "unwanted": component("unwanted", "bindings.cron", [SHOP], schedule="@every 1s"),
        "declared": subscription("declared", "broker", "by-hand", "/declared/by/hand"),
        "stray": subscription("stray", "strict", "stray", "/dapr/topic/strict/of-an-earlier-manifest/event"),
        "policies": json.dumps(RESILIENCY),
    })
    manifest = scratch / "trilby.toml"
    manifest.write_text("trilby = 1\n" + MANIFEST.replace("{shop}", SHOP).replace("{guests}", str(guests)).replace("{protocol}", app_protocol(protocol)))
    trilby = system_class(manifest, scratch, ["--port", f"{SHOP}.public=0"], env={"APP_API_TOKEN": TOKEN, "TRILBY_LOG_FORMAT": "json"})
    sidecar = None
    try:
        sidecar = sidecar_class(SHOP, trilby.ready["apps"][SHOP]["channel"].rpartition(":")[2], resources, scratch, app_token=TOKEN, options=[
            *PROBES, "--scheduler-host-address", scheduler.address], protocol=protocol)
        yield World(trilby, sidecar, redis, scheduler, scratch, resources, app_protocol(protocol), SHOP)
    finally:
        if sidecar:
            sidecar.stop()
        ended = trilby.stop()
        scheduler.stop()
        redis.stop()
    assert ended == 0
