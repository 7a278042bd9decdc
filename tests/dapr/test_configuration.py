"""Changes of configuration that nobody asks the sidecar for but Trilby: the manifest is all that a user writes."""

import os
import signal

import httpx
import pytest
from images import own
from sidecar import Redis, app_protocol, component, free_ports, log_records, wait_until, write_resources

SHOP = own("shop")
MANIFEST = """
trilby = 1
[app.{shop}]
port = 1
protocol = "{protocol}"
public = "127.0.0.1:0"
sidecar = {{ http = {sidecar} }}
[[app.{shop}.route]]
path = "/text"
text = "a text"
{configurations}
[function.event]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
"""


def trigger(store, key=None, metadata=""):
    return (f'[[app.{SHOP}.configuration]]\nstore = "{store}"\nfunction = "event"\n' + (f'key = "{key}"\n' if key else "")
            + (f"metadata = {{ {metadata} }}\n" if metadata else ""))


class Shop:
    """An app, Redis, and a sidecar that can be ended and started again."""

    def __init__(self, system_class, sidecar_class, guests, scratch, protocol, configurations, stores=("settings",)):
        self._sidecar_class, self._guests, self._scratch, self._protocol = sidecar_class, guests, scratch, protocol
        self.redis = Redis(scratch)
        write_resources(scratch / "resources", {store: component(store, "configuration.redis", redisHost=self.redis.address) for store in stores})
        (self.port,) = free_ports(1)
        self.manifest = scratch / "trilby.toml"
        self.write(configurations)
        self._system_class = system_class
        self.start()
        self.sidecar = None

    def write(self, configurations):
        self.manifest.write_text(MANIFEST.format(shop=SHOP, protocol=app_protocol(self._protocol), sidecar=self.port, guests=self._guests, configurations=configurations))

    def start(self):
        self.trilby = self._system_class(self.manifest, self._scratch, ["--port", f"{SHOP}.public=0", "--port", f"{SHOP}.sidecar={self.port}"],
                                         env={"TRILBY_LOG_FORMAT": "json"})

    def start_sidecar(self, **more):
        self.sidecar = self._sidecar_class(SHOP, self.trilby.ready["apps"][SHOP]["channel"].rpartition(":")[2], self._scratch / "resources", self._scratch,
                                           protocol=self._protocol, http_port=self.port, **more)

    def lines(self, **members):
        return log_records(self.trilby, **members)

    def changes(self, key):
        """How often a change of this key was brought, and went well."""
        return len(self.lines(path=f"/configuration/settings/{key}", status=200))

    def listeners(self, key):
        """How many listen to a key in Redis; no key: to all keys."""
        return self.redis.ask("PUBSUB", "NUMSUB", f"__keyspace@0__:{key}")[1] if key else self.redis.ask("PUBSUB", "NUMPAT")

    def wait_for_listeners(self, **count):
        wait_until(lambda: all(self.listeners(key) == wanted for key, wanted in count.items()))

    def stop(self):
        if self.sidecar:
            self.sidecar.stop()
        code = self.trilby.stop()
        self.redis.stop()
        assert code == 0


@pytest.fixture
def start_shop(system_class, sidecar_class, guests, tmp_path):
    started = []

    def start(configurations, protocol="http", **more):
        started.append(Shop(system_class, sidecar_class, guests, tmp_path, protocol, configurations, **more))
        return started[-1]

    yield start
    for shop in started:
        shop.stop()


@pytest.mark.parametrize("protocol", ["http", "h2c", "grpc"])
def test_changes_are_brought_to_who_never_asked(start_shop, protocol):
    shop = start_shop(trigger("settings", "limit") + trigger("settings", "colour"), protocol)
    shop.start_sidecar()
    shop.wait_for_listeners(limit=1, colour=1)
    shop.redis.ask("SET", "limit", "25||v3")
    shop.redis.ask("SET", "nobodys", "1")
    shop.redis.ask("SET", "colour", "red")
    wait_until(lambda: shop.changes("limit") == shop.changes("colour") == 1)
    assert not shop.lines(path="/configuration/settings/nobodys")
    assert [line["subscriptions"] for line in shop.lines(message="changes of configuration are subscribed to", app=SHOP)] == ["1"]


def test_every_key_is_brought_where_the_manifest_names_none(start_shop):
    shop = start_shop(trigger("settings"))
    shop.start_sidecar()
    wait_until(lambda: shop.listeners(None) == 1)
    shop.redis.ask("SET", "any", "1")
    wait_until(lambda: shop.changes("any") == 1)


def test_a_store_is_told_what_it_wants_to_know_besides(start_shop):
    shop = start_shop(trigger("settings", "limit", 'sentinelKey = "a & b"') + trigger("settings", "colour"))
    shop.start_sidecar()
    shop.wait_for_listeners(limit=1, colour=1)
    shop.redis.ask("SET", "limit", "1")
    shop.redis.ask("SET", "colour", "red")
    wait_until(lambda: shop.changes("limit") == shop.changes("colour") == 1)

def test_a_sidecar_that_is_new_is_asked_anew(start_shop):
    shop = start_shop(trigger("settings", "limit"))
    shop.start_sidecar()
    shop.wait_for_listeners(limit=1)
    shop.sidecar.kill()
    shop.wait_for_listeners(limit=0)
    shop.start_sidecar()
    shop.wait_for_listeners(limit=1)
    shop.redis.ask("SET", "limit", "1")
    wait_until(lambda: shop.changes("limit") == 1)


def test_a_sidecar_that_begins_anew_is_asked_anew(start_shop):
    shop = start_shop(trigger("settings", "limit"))
    shop.start_sidecar(options=["--enable-api-logging"])
    shop.wait_for_listeners(limit=1)
    asked = lambda: shop.sidecar.log().count("/configuration/settings/subscribe")  # noqa: E731
    before = wait_until(asked)
    shop.sidecar.process.send_signal(signal.SIGHUP)
    wait_until(lambda: asked() > before)
    shop.wait_for_listeners(limit=1)
    shop.redis.ask("SET", "limit", "1")
    wait_until(lambda: shop.changes("limit") >= 1)


def looks(shop):
    """Waits until Trilby has looked at the sidecar twice more, by what the sidecar says of its requests."""
    def count():
        return shop.sidecar.log().count("GET /v1.0/metadata")

    before = count()
    wait_until(lambda: count() >= before + 2)


def test_a_worker_that_dies_leaves_nothing_twice(start_shop):
    shop = start_shop(trigger("settings", "limit"))
    shop.start_sidecar(options=["--enable-api-logging"])
    shop.wait_for_listeners(limit=1)
    looks(shop)  # by then the note is left
    os.kill(shop.trilby.ready["worker"], signal.SIGKILL)
    shop.trilby.wait_for_another_worker()
    looks(shop)
    assert shop.listeners("limit") == 1
    shop.redis.ask("SET", "limit", "1")
    wait_until(lambda: shop.changes("limit") == 1)
    shop.redis.ask("SET", "limit", "2")
    wait_until(lambda: shop.changes("limit") >= 2)
    assert shop.changes("limit") == 2


def test_a_reload_subscribes_to_what_the_manifest_says_now(start_shop):
    shop = start_shop(trigger("settings", "limit") + trigger("settings", "colour"))
    shop.start_sidecar()
    shop.wait_for_listeners(limit=1, colour=1)

    def reload(configurations):
        shop.write(configurations)
        shop.trilby.process.send_signal(signal.SIGHUP)
        shop.trilby.wait_for_another_worker()

    reload(trigger("settings", "limit") + trigger("settings", "shape"))
    shop.wait_for_listeners(limit=1, colour=0, shape=1)

    def brought():  # over a connection that it had before, the sidecar may still reach the worker before, which knows nothing of it
        shop.redis.ask("SET", "shape", "round")
        return shop.changes("shape")

    wait_until(brought)
    reload("")
    shop.wait_for_listeners(limit=0, colour=0, shape=0)


def test_a_reload_looks_only_once_the_worker_before_arranges_nothing_any_more(start_shop):
    """Otherwise each would end what the other makes."""
    shop = start_shop(trigger("settings", "limit") + trigger("settings", "colour"))
    shop.start_sidecar(options=["--enable-api-logging"])
    shop.wait_for_listeners(limit=1, colour=1)
    looks(shop)
    old = shop.trilby.ready["worker"]
    os.kill(old, signal.SIGSTOP)
    shop.write(trigger("settings", "limit") + trigger("settings", "shape"))
    looked = shop.sidecar.log().count("GET /v1.0/metadata")
    shop.trilby.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(shop.lines(message="serving")) == 2)
    for _ in range(50):
        assert httpx.get(f"{shop.trilby.ready['apps'][SHOP]['public']}/text", timeout=60).text == "a text"
    assert shop.sidecar.log().count("GET /v1.0/metadata") == looked
    assert shop.listeners("shape") == 0
    os.kill(old, signal.SIGCONT)
    shop.wait_for_listeners(limit=1, colour=0, shape=1)
    looks(shop)
    assert (shop.listeners("limit"), shop.listeners("shape")) == (1, 1)
    made = [line for line in shop.sidecar.log().splitlines() if "/subscribe" in line or "/unsubscribe" in line]
    assert ["/unsubscribe" in line for line in made] == [False, False, True], "the new one first, so that limit is listened to all the time"


def test_a_start_ends_what_was_left_by_another_manifest(start_shop):
    shop = start_shop(trigger("settings", "limit"))
    shop.start_sidecar(options=["--enable-api-logging"])
    shop.wait_for_listeners(limit=1)
    looks(shop)
    assert shop.trilby.stop() == 0
    assert shop.listeners("limit") == 1, "it stays for the next one"
    shop.write("")
    shop.start()
    shop.wait_for_listeners(limit=0)


def test_a_store_that_is_missing_is_said_once_and_costs_nothing_else(start_shop):
    shop = start_shop(trigger("settings", "limit") + trigger("elsewhere", "limit"))
    shop.start_sidecar(options=["--enable-api-logging"])
    shop.wait_for_listeners(limit=1)
    wait_until(lambda: shop.lines(message="changes of configuration are not brought"))
    looks(shop)
    (said,) = shop.lines(message="changes of configuration are not brought")
    assert (said["app"], said["of"], said["level"]) == (SHOP, "elsewhere", "warning")
    assert "ERR_CONFIGURATION_STORE_NOT_FOUND" in said["error"]
    assert httpx.get(f"{shop.trilby.ready['apps'][SHOP]['public']}/text").text == "a text"
    shop.redis.ask("SET", "limit", "1")
    wait_until(lambda: shop.changes("limit") == 1)


def test_without_a_sidecar_everything_else_is_served(start_shop):
    shop = start_shop(trigger("settings", "limit"))
    assert httpx.get(f"{shop.trilby.ready['apps'][SHOP]['public']}/text").text == "a text"
    wait_until(lambda: shop.lines(message="changes of configuration are not brought", of="the sidecar"))
    shop.start_sidecar()
    shop.wait_for_listeners(limit=1)
