"""Jobs that nobody schedules but Trilby: the manifest is all that a user writes."""

import json
import signal

import httpx
import pytest
from images import own
from sidecar import Scheduler, app_protocol, free_ports, log_records, wait_until, write_resources

SHOP = own("shop")
MANIFEST = """
trilby = 1
[app.{shop}]
port = 1
protocol = "{protocol}"
public = "127.0.0.1:0"
sidecar = {{ http = {sidecar}, timeout = "{timeout}" }}
[[app.{shop}.route]]
path = "/text"
text = "a text"
{jobs}
[function.event]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
"""


def job(name, schedule, data=None):
    return f"[[app.{SHOP}.job]]\nname = '{name}'\nfunction = 'event'\nschedule = '{schedule}'\n" + (f"data = '{data}'\n" if data else "")


class Shop:
    """An app, the scheduler, and a sidecar between them."""

    def __init__(self, system_class, sidecar_class, guests, scratch, jobs, protocol="http", scheduler=True, timeout="30s"):
        """`timeout`: after which Trilby asks the sidecar once more."""
        self._timeout = timeout
        self._system_class, self._guests, self._scratch, self._protocol = system_class, guests, scratch, protocol
        self.scheduler = Scheduler(scratch) if scheduler else None
        write_resources(scratch / "resources", {})
        (self._port, app_port) = free_ports(2)
        self._app_port = app_port
        self.manifest = scratch / "trilby.toml"
        self.write(jobs)
        self.trilby = self.sidecar = None
        self.start()
        where = ["--scheduler-host-address", self.scheduler.address if self.scheduler else ""]
        self.sidecar = sidecar_class(SHOP, app_port, scratch / "resources", scratch, options=[*where, "--enable-api-logging"], protocol=protocol,
                                     http_port=self._port)

    def write(self, jobs):
        self.manifest.write_text(MANIFEST.format(shop=SHOP, protocol=app_protocol(self._protocol), sidecar=self._port, guests=self._guests, jobs=jobs,
                                                 timeout=self._timeout))

    def start(self):
        """Trilby, each time with a log of its own."""
        self.trilby = self._system_class(self.manifest, self._scratch, ["--port", f"{SHOP}={self._app_port}", "--port", f"{SHOP}.public=0", "--port",
                                                                        f"{SHOP}.sidecar={self._port}"], env={"TRILBY_LOG_FORMAT": "json"})

    def lines(self, **members):
        return log_records(self.trilby, **members)

    def data_of(self, path):
        """What functions were given, by the jobs that came."""
        requests = {line["request_id"] for line in self.lines(path=path, status=200)}
        told = [line for line in self.lines(message="stderr") if line["request"] in requests]
        return [bytes.fromhex(line["line"][5:]) for line in told if line["line"].startswith("data ")]

    def asked(self, what):
        """How often the sidecar was asked for this."""
        return self.sidecar.log().count(what)

    def at_scheduler(self, name):
        answer = self.sidecar.client.get(f"/jobs/{name}")
        return answer.json() if answer.status_code == 200 else None

    def stop(self):
        if self.sidecar:
            self.sidecar.stop()
        code = self.trilby.stop()
        if self.scheduler:
            self.scheduler.stop()
        assert code == 0


@pytest.fixture
def start_shop(system_class, sidecar_class, guests, tmp_path):
    started = []

    def start(jobs, **more):
        started.append(Shop(system_class, sidecar_class, guests, tmp_path, jobs, **more))
        return started[-1]

    yield start
    for shop in started:
        shop.stop()


@pytest.mark.parametrize("protocol", ["http", "h2c", "grpc"])
def test_a_job_of_the_manifest_fires(start_shop, protocol):
    shop = start_shop(job("tick", "@every 1s", '{"month": 11}') + job("bare", "* * * * * *"), protocol=protocol)
    wait_until(lambda: len(shop.data_of("/job/tick")) >= 2 and shop.data_of("/job/bare"))
    assert json.loads(shop.data_of("/job/tick")[0]) == {"month": 11}
    assert json.loads(shop.data_of("/job/bare")[0]) is None
    assert sorted(line["job"] for line in shop.lines(message="a job is scheduled")) == ["bare", "tick"]


def test_a_start_does_not_begin_a_schedule_anew(start_shop):
    """To schedule a job once more, with the same words, would."""
    shop = start_shop(job("slow", "@every 1h", '{"b": 1.0, "a": ["x", 2]}') + job("daily", "@daily"))
    wait_until(lambda: len(shop.lines(message="a job is scheduled")) == 2)
    scheduled, looked = shop.asked("POST /v1.0/jobs/"), shop.asked("GET /v1.0/jobs/")
    assert (scheduled, looked) == (2, 2)
    assert shop.trilby.stop() == 0
    shop.write(job("slow", "@every 1h", '{"a":["x",2],"b":1}') + job("daily", "@daily"))
    shop.start()
    wait_until(lambda: shop.asked("GET /v1.0/jobs/") == looked + 2)
    shop.trilby.process.send_signal(signal.SIGHUP)
    shop.trilby.wait_for_another_worker()
    wait_until(lambda: shop.asked("GET /v1.0/jobs/") == looked + 4)
    assert shop.asked("POST /v1.0/jobs/") == scheduled
    assert not shop.lines(message="a job is scheduled")


def test_a_reload_schedules_what_has_changed(start_shop):
    shop = start_shop(job("a", "@every 1h") + job("b", "@every 1h"))
    wait_until(lambda: len(shop.lines(message="a job is scheduled")) == 2)
    shop.write(job("a", "@every 2h") + job("b", "@every 1h", "[1]"))
    shop.trilby.process.send_signal(signal.SIGHUP)
    shop.trilby.wait_for_another_worker()
    wait_until(lambda: (shop.at_scheduler("a") or {}).get("schedule") == "@every 2h")
    wait_until(lambda: (shop.at_scheduler("b") or {}).get("data", {}).get("value") == [1])
    shop.write("")
    shop.trilby.process.send_signal(signal.SIGHUP)
    shop.trilby.wait_for_another_worker()
    assert shop.at_scheduler("a"), "the scheduler keeps it"
    assert shop.sidecar.client.delete("/jobs/a").status_code == 204
    assert shop.at_scheduler("a") is None


def test_a_job_that_dapr_refuses_is_said_once(start_shop):
    """Dapr reads a job's data as protobuf does, which takes no member twice."""
    shop = start_shop(job("wrong", "@daily", '{"a": 1, "a": 2}') + job("right", "@every 1h"))
    wait_until(lambda: shop.lines(message="a job is scheduled", job="right"))
    looked = shop.asked("POST /v1.0/jobs/wrong")
    wait_until(lambda: shop.asked("POST /v1.0/jobs/wrong") >= looked + 2)
    (said,) = shop.lines(message="jobs are not scheduled")
    assert (said["app"], said["of"], said["level"]) == (SHOP, "wrong", "warning")
    assert "400" in said["error"]
    assert shop.at_scheduler("wrong") is None


def test_without_a_scheduler_everything_else_is_served(start_shop):
    shop = start_shop(job("tick", "@every 1s"), scheduler=False, timeout="2s")
    said = wait_until(lambda: shop.lines(message="jobs are not scheduled"))
    assert said[0]["of"] == "tick"
    assert httpx.get(f"{shop.trilby.ready['apps'][SHOP]['public']}/text").text == "a text"
