"""What functions ask of Dapr themselves, through the module `dapr`, under grants: Trilby, a real sidecar, Redis, and guests in C and Rust."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from images import own
from sidecar import DAPRD_WITH_LOCKS, Redis, Scheduler, component, free_ports, write_resources
from world import World, served_far

ROOT = Path(__file__).parents[2]
RUST = Path.home() / ".cache/trilby/rust-1.63"
API_TOKEN = "api-token-4e11"
FAR_APP = own("far")
SUCCESS, INVALID, DENIED, NOT_FOUND, TOO_LARGE, FAILED, BUSY, NO_SIDECAR, CONFLICT = range(9)
MANIFEST = """
trilby = 1

[app.shop]
port = 1
public = "127.0.0.1:0"
sidecar = {{ http = {port}, timeout = "5s" }}
route = [
  {{ path = "/ask", method = "POST", function = "ask" }},
  {{ path = "/impatient", method = "POST", function = "impatient" }},
  {{ path = "/flooding", method = "POST", function = "flooding" }},
  {{ path = "/count", method = "POST", function = "count" }},
  {{ path = "/greet", method = "POST", function = "greet" }},
  {{ path = "/naked", method = "POST", function = "naked" }},
  {{ path = "/filing", method = "POST", function = "filing" }},
  {{ path = "/large", method = "POST", function = "large" }},
  {{ path = "/hasty", method = "POST", function = "hasty" }},
  {{ path = "/keep", method = "POST", function = "keep" }},
  {{ path = "/echo", function = "echo" }},
]
[[app.shop.topic]]
pubsub = "broker"
topic = "granted"
function = "event"
[[app.shop.topic]]
pubsub = "broker"
topic = "counts"
function = "event"

[[app.shop.job]]
name = "granted-soon"
function = "event"

[function.ask]
module = "{guests}/ask.wasm"
[function.ask.allow.dapr]
invoke = ["shop/echo", "{far}/*", "absent/*"]
publish = ["broker/granted", "nowhere/granted"]
bindings = ["files/create", "files/list", "absent/create"]
secrets = ["vault/granted", "vault/absent", "vault/bu*", "nowhere/granted"]
configuration = ["settings/granted-*", "nowhere/granted"]
locks = ["locks/granted-*", "nowhere/granted"]
jobs = ["granted-*"]
state = {{ "store/granted-*" = "read-write", "store/seen-*" = "read-only", "store/log" = "write-only", "nowhere/granted-1" = "read-write" }}

[function.impatient]
module = "{guests}/ask.wasm"
limits.wall = "500ms"
allow.dapr.state = {{ "store/granted-*" = "read-write" }}
[function.flooding]
module = "{guests}/ask.wasm"
limits = {{ wall = "30s", host_calls_per_second = 5 }}
allow.dapr.state = {{ "store/granted-*" = "read-write" }}

[function.naked]
module = "{guests}/ask.wasm"

# On loops of their own:
[function.filing]
module = "{guests}/ask.wasm"
limits.wall = "30s"
allow.directories = {{ "/data" = "{data}" }}
[function.filing.allow.dapr]
invoke = ["shop/echo"]
publish = ["broker/granted"]
state = {{ "store/granted-*" = "read-write" }}
[function.large]
module = "{guests}/ask.wasm"
limits.memory = "256MiB"
[function.large.allow.dapr]
invoke = ["shop/echo"]
publish = ["broker/granted"]
state = {{ "store/granted-*" = "read-write" }}
[function.hasty]
module = "{guests}/ask.wasm"
limits.wall = "500ms"
allow.directories = {{ "/data" = "{data}" }}
allow.dapr.invoke = ["shop/echo"]
allow.dapr.state = {{ "store/granted-*" = "read-write" }}
[function.keep]
module = "{guests}/keep.wasm"
allow.directories = {{ "/data" = "{data}" }}
allow.dapr.state = {{ "store/granted-kept" = "read-write" }}

[function.count]
module = "{guests}/count.wasm"
allow.dapr.state = {{ "store/count" = "read-write" }}
allow.dapr.publish = ["broker/counts"]

[function.greet]
module = "{guests}/greet.wasm"
allow.dapr.state = {{ "store/seen-*" = "read-write" }}

[function.echo]
module = "{wat}/echo.wasm"
content_type = "text/plain"
[function.event]
module = "{wat}/event.wasm"
"""


def compile_c(source, folder):
    target = folder / f"{source.stem}.wasm"
    subprocess.run(["clang-14", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-s", f"-I{ROOT / 'examples/dapr'}", "-o", target, source],
                   check=True)
    return target


@pytest.fixture(scope="module")
def programs(guests, tmp_path_factory):
    """The examples and the guest that asks for anything. Where Debian's Rust is not unpacked (tests/guests/rust-image does that), a copy of another
    program stands in the place of the one in Rust, whose test is skipped."""
    folder = tmp_path_factory.mktemp("programs")
    compile_c(ROOT / "examples/dapr/count.c", folder)
    compile_c(ROOT / "tests/dapr/guests/ask.c", folder)
    compile_c(ROOT / "tests/dapr/guests/keep.c", folder)
    if (RUST / ".complete").exists():
        subprocess.run([ROOT / "tests/guests/rust-image/rustc.sh", "--target", "wasm32-wasi", "-C", "linker=wasm-ld-14", "-O", "-D", "warnings", "-o",
                        folder / "greet.wasm", ROOT / "examples/dapr/greet.rs"], check=True, env=os.environ | {"TRILBY_RUST_ROOT": str(RUST)})
    else:
        (folder / "greet.wasm").write_bytes((guests / "echo.wasm").read_bytes())
    return folder


class Shop(World):
    """Trilby with one app, its sidecar, and Redis and the scheduler behind that."""

    def __init__(self, system_class, sidecar_class, guests, programs, scratch, redis, scheduler, with_locks):
        resources = scratch / "resources"
        (scratch / "secrets.json").write_text(json.dumps({"granted": "open sesame", "other": "not for you"}))
        write_resources(resources, {
            "broker": component("broker", "pubsub.redis", redisHost=redis.address),
            "store": component("store", "state.redis", redisHost=redis.address),
            "settings": component("settings", "configuration.redis", redisHost=redis.address),
            "files": component("files", "bindings.localstorage", rootPath=str(scratch / "files")),
            "vault": component("vault", "secretstores.local.file", secretsFile=str(scratch / "secrets.json")),
        } | ({"locks": component("locks", "lock.redis", redisHost=redis.address)} if with_locks else {}))
        (port,) = free_ports(1)
        (scratch / "data").mkdir()
        (scratch / "data/order").write_text('{"for": "you"}')
        manifest = scratch / "trilby.toml"
        manifest.write_text(MANIFEST.format(port=port, guests=programs, wat=guests, far=FAR_APP, data=scratch / "data"))
        trilby = system_class(manifest, scratch, ["--port", "shop.public=0"], env={"DAPR_API_TOKEN": API_TOKEN, "TRILBY_LOG_FORMAT": "json"})
        super().__init__(trilby, None, redis, scheduler, scratch, resources)
        self.sidecar = sidecar_class("shop", self.channel.rpartition(":")[2], resources, scratch, api_token=API_TOKEN, http_port=port,
                                     options=["--scheduler-host-address", scheduler.address], program=DAPRD_WITH_LOCKS if with_locks else None)

    def post(self, path, content=b""):
        return httpx.post(self.public + path, content=content, timeout=30)

    def ask(self, *words, path="/ask"):
        """One request of the guest. Returns the errno, the status and the answer."""
        answer = self.post(path, b"\x1f".join(word.encode() if isinstance(word, str) else word for word in words))
        assert answer.status_code == 200, answer.text
        head, _, rest = answer.content.partition(b"\n")
        error, status, size = map(int, head.split())
        assert len(rest) == size
        return error, status, rest

    def denials(self, function, kind):
        return self.metric("trilby_call_denials_total", function=function, grant=kind)


@contextlib.contextmanager
def opened(system_class, sidecar_class, guests, programs, scratch, with_locks=False):
    redis = Redis(scratch)
    scheduler = Scheduler(scratch)
    shop = Shop(system_class, sidecar_class, guests, programs, scratch, redis, scheduler, with_locks)
    yield shop
    shop.sidecar.stop()
    assert shop.trilby.stop() == 0
    scheduler.stop()
    redis.stop()
    assert API_TOKEN not in shop.trilby.log()
    assert "open sesame" not in shop.trilby.log()


@pytest.fixture(scope="module")
def shop(system_class, sidecar_class, guests, programs, tmp_path_factory):
    with opened(system_class, sidecar_class, guests, programs, tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture(scope="module")
def shop_with_locks(system_class, sidecar_class, guests, programs, tmp_path_factory):
    with opened(system_class, sidecar_class, guests, programs, tmp_path_factory.mktemp("locks"), with_locks=True) as shop:
        yield shop


def test_a_state_is_saved_read_and_deleted(shop):
    assert shop.ask("state_get", "store", "granted-1") == (NOT_FOUND, 0, b"")
    assert shop.ask("state_save", "store", "granted-1", '{"a": [1, "caf\u00e9"]}') == (SUCCESS, 0, b"")
    error, _, value = shop.ask("state_get", "store", "granted-1")
    assert (error, json.loads(value)) == (SUCCESS, {"a": [1, "caf\u00e9"]})
    assert shop.redis.ask("KEYS", "shop||granted-1") == ["shop||granted-1"], "under the app's own id"
    assert shop.ask("state_delete", "store", "granted-1") == (SUCCESS, 0, b"")
    assert shop.ask("state_get", "store", "granted-1") == (NOT_FOUND, 0, b"")
    assert shop.ask("state_delete", "store", "granted-1") == (SUCCESS, 0, b"")


@pytest.mark.parametrize("key", ["granted-a:b", "granted-~@+=,", "granted-.", "granted-" + "x" * 248])
def test_every_key_that_may_be_is_the_same_key_for_all(shop, key):
    """What saves has the key in a document, what reads and deletes in a path."""
    assert shop.ask("state_save", "store", key, "7")[0] == SUCCESS
    assert shop.redis.ask("KEYS", "shop||granted-*") == [f"shop||{key}"]
    assert shop.ask("state_get", "store", key) == (SUCCESS, 0, b"7")
    assert shop.ask("state_delete", "store", key)[0] == SUCCESS
    assert shop.redis.ask("KEYS", "shop||granted-*") == []


def test_what_is_not_granted_is_denied_counted_and_told(shop):
    for words, kind, mend in [
        (("state_get", "store", "other"), "dapr-state", r'in [function.ask.allow.dapr.state] add \"store/other\" = \"read-write\"'),
        (("state_save", "store", "seen-1", "1"), "dapr-state", r'add \"store/seen-1\" = \"read-write\"'),
        (("state_delete", "store", "seen-1"), "dapr-state", r'add \"store/seen-1\" = \"read-write\"'),
        (("state_get", "store", "log"), "dapr-state", r'add \"store/log\" = \"read-write\"'),
        (("state_get", "store2", "granted-1"), "dapr-state", r'add \"store2/granted-1\" = \"read-write\"'),
        (("publish", "broker", "other", "", "x"), "dapr-publish", r'in [function.ask] add allow.dapr.publish = [\"broker/granted\", '),
        (("publish", "broker", "granted/x", "", "x"), "dapr-publish", r'\"broker/granted/x\"]'),
        (("invoke", "shop", "ask", "POST", "", ""), "dapr-invoke", r'\"shop/ask\"]'),
        (("invoke", "shop", "echo/x", "POST", "", ""), "dapr-invoke", r'\"shop/echo/x\"]'),
        (("binding", "files", "delete", "{}"), "dapr-binding", r'\"files/delete\"]'),
        (("secret", "vault", "other"), "dapr-secret", r'\"vault/other\"]'),
        (("configuration_get", "settings", "other"), "dapr-configuration", r'add allow.dapr.configuration = ['),
        (("lock", "locks", "other", "me", "60"), "dapr-lock", r'add allow.dapr.locks = ['),
        (("unlock", "locks", "other", "me"), "dapr-lock", r'\"locks/other\"]'),
        (("job_schedule", "other", '{"dueTime":"1h"}'), "dapr-job", r'add allow.dapr.jobs = ['),
        (("job_delete", "other"), "dapr-job", r'\"other\"]'),
    ]:
        before = shop.denials("ask", kind)
        assert shop.ask(*words) == (DENIED, 0, b"")
        assert shop.denials("ask", kind) == before + 1
        shop.trilby.wait_for_log(mend)
    assert shop.ask("state_save", "store", "log", "1")[0] == SUCCESS


def test_a_function_without_grants_starts_and_is_denied_everything(shop):
    assert "a function uses Dapr and is granted nothing of it; allow.dapr is missing" in shop.trilby.log()
    assert shop.ask("state_get", "store", "granted-1", path="/naked") == (DENIED, 0, b"")
    assert shop.ask("publish", "broker", "granted", "", "x", path="/naked") == (DENIED, 0, b"")
    assert shop.denials("naked", "dapr-state") == 1


def upsert(key, value, **more):
    return {"operation": "upsert", "request": {"key": key, "value": value} | more}


def delete(key, **more):
    return {"operation": "delete", "request": {"key": key} | more}


def transact(shop, *operations):
    return shop.ask("state_transaction", "store", json.dumps(operations))[0]


def states(shop, *keys):
    """Those of them that are there: the value and the etag of each."""
    error, _, answer = shop.ask("state_get_bulk", "store", json.dumps(keys))
    assert error == SUCCESS
    entries = json.loads(answer)
    assert sorted(entry["key"] for entry in entries) == sorted(keys), "one for each key, be it there or not"
    assert all(set(entry) in ({"key"}, {"key", "data", "etag"}) for entry in entries), entries
    return {entry["key"]: (entry["data"], entry["etag"]) for entry in entries if "data" in entry}


def test_states_are_changed_and_read_together(shop):
    assert states(shop, "granted-1", "granted-2") == {}
    assert transact(shop, upsert("granted-1", {"a": [1, None]}), upsert("granted-2", 2), delete("granted-3")) == SUCCESS
    assert states(shop, "granted-2", "granted-1", "granted-3") == {"granted-1": ({"a": [1, None]}, "1"), "granted-2": (2, "1")}
    assert shop.redis.ask("TTL", "shop||granted-1") == -1
    assert transact(shop, upsert("granted-1", 3, metadata={"ttlInSeconds": "60"}), delete("granted-2")) == SUCCESS
    assert 0 < shop.redis.ask("TTL", "shop||granted-1") <= 60
    assert states(shop, "granted-1", "granted-2") == {"granted-1": (3, "2")}
    assert transact(shop, delete("granted-1")) == SUCCESS


def test_a_state_that_changed_meanwhile_is_a_conflict(shop):
    assert transact(shop, upsert("granted-1", 1)) == SUCCESS
    (_, etag) = states(shop, "granted-1")["granted-1"]
    assert transact(shop, upsert("granted-1", 2, etag=etag, options={"concurrency": "first-write", "consistency": "strong"})) == SUCCESS
    assert transact(shop, upsert("granted-1", 3, etag=etag)) == CONFLICT
    assert transact(shop, delete("granted-1", etag=etag)) == CONFLICT
    assert states(shop, "granted-1")["granted-1"][0] == 2
    assert transact(shop, upsert("granted-1", 3, etag="no etag of Redis'")) == FAILED
    assert transact(shop, upsert("granted-1", 4, etag=etag, options={"concurrency": "last-write"})) == SUCCESS
    assert transact(shop, delete("granted-1", etag=states(shop, "granted-1")["granted-1"][1])) == SUCCESS
    assert states(shop, "granted-1") == {}


def test_redis_makes_the_rest_of_a_transaction_that_fails_of_an_etag(shop):
    """Its scripts run one after the other, and nothing takes back what the others did."""
    assert transact(shop, upsert("granted-1", 1)) == SUCCESS
    assert transact(shop, upsert("granted-2", 2), upsert("granted-1", 2, etag="99"), upsert("granted-3", 2)) == CONFLICT
    assert states(shop, "granted-1", "granted-2", "granted-3") == {"granted-1": (1, "1"), "granted-2": (2, "1"), "granted-3": (2, "1")}
    assert transact(shop, *(delete(f"granted-{number}") for number in (1, 2, 3))) == SUCCESS


def test_of_many_states_each_is_to_be_granted(shop):
    before = sorted(shop.redis.ask("KEYS", "*"))
    for words, first in [
        (("state_transaction", "store", json.dumps([upsert("granted-1", 1), delete("b"), upsert("a", 1)])), "store/b"),
        (("state_transaction", "store", json.dumps([upsert("granted-1", 1), upsert("seen-1", 1)])), "store/seen-1"),
        (("state_transaction", "store2", json.dumps([upsert("granted-1", 1)])), "store2/KEY"),
        (("state_transaction", "store2", "{no json"), "store2/KEY"),
        (("state_get_bulk", "store2", '["granted-1"]'), "store2/KEY"),
        (("state_get_bulk", "store", json.dumps(["granted-1", "seen-1", "log"])), "store/log"),
        (("state_get_bulk", "store", json.dumps(["c", "granted-1"])), "store/c"),
    ]:
        denied = shop.denials("ask", "dapr-state")
        assert shop.ask(*words) == (DENIED, 0, b"")
        assert shop.denials("ask", "dapr-state") == denied + 1
        shop.trilby.wait_for_log(rf'add \"{first}\" = \"read-write\"')
    assert sorted(shop.redis.ask("KEYS", "*")) == before
    assert shop.ask("state_transaction", "nowhere", json.dumps([upsert("granted-1", 1)])) == (FAILED, 0, b"")
    assert shop.ask("state_get_bulk", "nowhere", '["granted-1"]') == (FAILED, 0, b"")


def test_what_may_only_be_written_is_not_compared(shop):
    """For made or conflict would tell whether it is there."""
    assert transact(shop, upsert("log", 1)) == SUCCESS
    assert transact(shop, upsert("log", 2, etag="1")) == DENIED
    assert transact(shop, delete("log", etag="1")) == DENIED
    assert transact(shop, upsert("log", 2, options={"concurrency": "first-write"})) == DENIED
    assert transact(shop, upsert("log", 2, options={"concurrency": "last-write"})) == SUCCESS
    assert transact(shop, delete("log")) == SUCCESS


def test_states_that_cannot_be_read_are_a_failure(shop):
    """daprd answers 200, and nothing, when one of them is no JSON."""
    shop.redis.ask("HSET", "shop||granted-bad", "data", "no JSON", "version", "1")
    assert shop.ask("state_get_bulk", "store", '["granted-1","granted-bad"]') == (FAILED, 0, b"")
    assert shop.ask("state_delete", "store", "granted-bad")[0] == SUCCESS


def test_an_event_is_published_as_what_it_is(shop):
    assert shop.ask("publish", "broker", "granted", "application/json", '{"n":12345678901234567890}') == (SUCCESS, 0, b"")
    event = shop.wait_for_event('{"n":12345678901234567890}', CE_TOPIC="granted")
    assert event.variables["CE_DATACONTENTTYPE"] == "application/json"
    assert shop.ask("publish", "broker", "granted", "", b"\x00\xff\x01") == (SUCCESS, 0, b"")
    shop.wait_for_event(b"\x00\xff\x01", CE_DATACONTENTTYPE="application/octet-stream")


def test_an_app_is_called(shop):
    assert shop.ask("invoke", "shop", "echo", "POST", "text/plain", "hello") == (SUCCESS, 200, b"hello")
    assert shop.ask("invoke", "shop", "echo?a=b", "GET", "", "") == (SUCCESS, 200, b"")


def test_an_app_that_only_the_sidecar_knows_is_called(shop, system_class, sidecar_class, guests, tmp_path_factory):
    with served_far(system_class, sidecar_class, guests, tmp_path_factory.mktemp("far"), FAR_APP, shop.sidecar) as (trilby, sidecar):
        assert shop.ask("invoke", FAR_APP, "echo?x=%20y", "POST", "text/plain", "over the hills") == (SUCCESS, 200, b"over the hills")
        error, status, _ = shop.ask("invoke", FAR_APP, "echo", "POST", "text/plain", "bad input")
        assert (error, status) == (SUCCESS, 422), "the app answered"
        assert shop.ask("invoke", FAR_APP, "nowhere", "POST", "", "")[:2] == (SUCCESS, 404)
    assert API_TOKEN not in trilby.log() + sidecar.log()


def test_what_dapr_refuses_is_a_failure_and_its_words_reach_no_guest(shop):
    assert shop.ask("state_get", "nowhere", "granted-1") == (FAILED, 0, b"")
    assert shop.ask("publish", "nowhere", "granted", "", "x") == (FAILED, 0, b"")
    assert shop.ask("binding", "absent", "create", "{}") == (FAILED, 0, b"")
    assert shop.ask("secret", "nowhere", "granted") == (FAILED, 0, b"")
    assert shop.ask("configuration_get", "nowhere", "granted") == (FAILED, 0, b"")
    assert shop.ask("lock", "locks", "granted-1", "me", "60") == (FAILED, 0, b"")
    assert shop.ask("unlock", "locks", "granted-1", "me") == (FAILED, 0, b"")
    assert shop.ask("invoke", "absent", "x", "POST", "", "")[::2] == (FAILED, b"")


def test_a_binding_is_asked(shop):
    error, _, answer = shop.ask("binding", "files", "create", '{"hello": 1}')
    assert error == SUCCESS
    (written,) = (shop.scratch / "files").rglob(Path(json.loads(answer)["fileName"]).name)
    assert json.loads(written.read_text()) == {"hello": 1}
    error, _, answer = shop.ask("binding", "files", "list", "")
    assert error == SUCCESS and written.name in answer.decode()


def test_a_secret_is_given(shop):
    assert shop.ask("secret", "vault", "granted") == (SUCCESS, 0, b"open sesame")
    error, _, answer = shop.ask("secret", "vault", "absent")
    assert (error, answer) == (FAILED, b""), "daprd answers 500 for a secret that the file does not have"


def test_no_name_of_a_secret_gives_all_of_them(shop):
    """daprd has an address for all secrets of a store where that of a secret named so would be."""
    assert b"not for you" in shop.sidecar.client.get("/secrets/vault/bulk").content
    assert shop.ask("secret", "vault", "bulk") == (INVALID, 0, b"")


def test_the_value_of_a_configuration_is_given(shop):
    assert shop.ask("configuration_get", "settings", "granted-limit") == (NOT_FOUND, 0, b"")
    shop.redis.ask("SET", "granted-limit", "caf\u00e9 25||v3")
    assert shop.ask("configuration_get", "settings", "granted-limit") == (SUCCESS, 0, "caf\u00e9 25".encode())
    shop.redis.ask("SET", "granted-a:b@c+d=e,~", "7")
    assert shop.ask("configuration_get", "settings", "granted-a:b@c+d=e,~") == (SUCCESS, 0, b"7"), "a key is one key to all"


def test_what_is_locked_is_anothers_until_it_is_unlocked(shop_with_locks):
    shop = shop_with_locks
    assert shop.ask("unlock", "locks", "granted-1", "me") == (NOT_FOUND, 0, b"")
    assert shop.ask("lock", "locks", "granted-1", "me", "60") == (SUCCESS, 0, b"")
    assert 0 < shop.redis.ask("TTL", "lock||shop||granted-1") <= 60
    assert shop.ask("lock", "locks", "granted-1", "you", "60") == (CONFLICT, 0, b"")
    assert shop.ask("lock", "locks", "granted-1", "me", "60") == (CONFLICT, 0, b"")
    assert shop.ask("lock", "locks", "granted-2", "you", "86400") == (SUCCESS, 0, b"")
    assert shop.ask("unlock", "locks", "granted-1", "you") == (CONFLICT, 0, b"")
    assert shop.ask("unlock", "locks", "granted-1", "me") == (SUCCESS, 0, b"")
    assert shop.ask("lock", "locks", "granted-1", "you", "60") == (SUCCESS, 0, b"")
    assert shop.ask("unlock", "locks", "granted-1", "you") == (SUCCESS, 0, b"")
    assert shop.ask("unlock", "locks", "granted-2", "you") == (SUCCESS, 0, b"")
    assert shop.ask("lock", "nowhere", "granted", "me", "60") == (FAILED, 0, b"")


def test_a_lock_ends_by_itself(shop_with_locks):
    shop = shop_with_locks
    assert shop.ask("lock", "locks", "granted-short", "me", "1") == (SUCCESS, 0, b"")
    shop.trilby_waits(lambda: shop.ask("lock", "locks", "granted-short", "you", "60")[0] == SUCCESS, 20)
    assert shop.ask("unlock", "locks", "granted-short", "me") == (CONFLICT, 0, b"")
    assert shop.ask("unlock", "locks", "granted-short", "you") == (SUCCESS, 0, b"")


def test_a_job_is_scheduled_and_brought(shop):
    assert shop.ask("job_schedule", "granted-soon", '{"dueTime":"0s","overwrite":true,"data":{"n":7}}') == (SUCCESS, 0, b"")
    event = shop.wait_for_events(lambda one: one.variables.get("DAPR_JOB") == "granted-soon")[0]
    assert json.loads(event.data) == {"n": 7}
    assert shop.ask("job_schedule", "granted-soon", '{"dueTime":"0s","overwrite":true}') == (SUCCESS, 0, b"")
    shop.wait_for_event(b"null", DAPR_JOB="granted-soon")


def test_a_job_is_there_once_and_until_it_is_deleted(shop):
    what = ('{"schedule":"@every 1h","dueTime":"1h","repeats":5,"ttl":"24h","data":"x","failurePolicy":'
            '{"constant":{"interval":"5s","maxRetries":3}}}')
    assert shop.ask("job_schedule", "granted-later", what) == (SUCCESS, 0, b"")
    kept = shop.sidecar.client.get("/jobs/granted-later").json()
    assert (kept["schedule"], kept["repeats"], kept["failurePolicy"]["constant"]["maxRetries"]) == ("@every 1h", 5, 3), kept
    assert shop.ask("job_schedule", "granted-later", what) == (CONFLICT, 0, b"")
    assert shop.ask("job_schedule", "granted-later", '{"dueTime":"2h","overwrite":true,"failurePolicy":{"drop":{}}}') == (SUCCESS, 0, b"")
    assert "schedule" not in shop.sidecar.client.get("/jobs/granted-later").json()
    assert shop.ask("job_delete", "granted-later") == (SUCCESS, 0, b"")
    assert shop.sidecar.client.get("/jobs/granted-later").status_code != 200
    assert shop.ask("job_delete", "granted-later") == (SUCCESS, 0, b"")
    assert shop.ask("job_schedule", "granted-never", '{"schedule":"now and then"}') == (INVALID, 0, b"")


def test_hostile_arguments_are_refused(shop):
    before = len(shop.redis.ask("KEYS", "*"))
    answer = shop.post("/ask", b"hostile")
    assert (answer.status_code, answer.content) == (200, b"fine\n"), answer.text
    assert len(shop.redis.ask("KEYS", "*")) == before
    assert shop.ask("state_get", "store", "granted-1") == (NOT_FOUND, 0, b""), "the sidecar is well"


def test_a_large_value_goes_there_and_back_and_a_larger_one_does_not(shop):
    value = json.dumps("x" * 1_000_000).encode()
    assert shop.ask("state_save", "store", "granted-large", value)[0] == SUCCESS
    assert shop.ask("state_get", "store", "granted-large") == (SUCCESS, 0, value)
    # What another app, or a person, left there is bounded too.
    shop.redis.ask("HSET", "shop||granted-large", "data", json.dumps("x" * (4 << 20)))
    assert shop.ask("state_get", "store", "granted-large") == (TOO_LARGE, 0, b"")
    assert shop.ask("state_delete", "store", "granted-large")[0] == SUCCESS


def test_a_flood_ends_at_the_limit_of_host_calls(shop):
    answer = shop.post("/flooding", b"flood\x1fstate_get\x1fstore\x1fgranted-1")
    assert (answer.status_code, answer.headers["trilby-reason"]) == (500, "limit-calls"), answer.text
    assert "5 host calls a second" in answer.json()["detail"]


def test_a_slow_sidecar_is_bounded_by_the_wall_time(shop):
    shop.sidecar.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            answer = shop.post("/impatient", b"state_get\x1fstore\x1fgranted-1")
            assert (answer.status_code, answer.headers["trilby-reason"]) == (504, "limit-wall"), answer.text
        assert shop.ask("invoke", "shop", "echo", "POST", "", "others are not held up")[0] == SUCCESS
    finally:
        shop.sidecar.process.send_signal(signal.SIGCONT)
    assert shop.ask("state_get", "store", "granted-1")[0] == NOT_FOUND


# ---- functions on loops of their own: those with a folder, and those with much memory


@pytest.mark.parametrize("function", ["filing", "large"])
def test_functions_on_loops_of_their_own_ask_as_all_others(shop, function):
    ask = lambda *words: shop.ask(*words, path=f"/{function}")  # noqa: E731
    assert ask("state_save", "store", "granted-own", '{"a": 1}') == (SUCCESS, 0, b"")
    error, _, value = ask("state_get", "store", "granted-own")
    assert (error, json.loads(value)) == (SUCCESS, {"a": 1})
    assert ask("state_delete", "store", "granted-own") == (SUCCESS, 0, b"")
    assert ask("state_get", "store", "granted-own") == (NOT_FOUND, 0, b"")
    assert ask("publish", "broker", "granted", "text/plain", f"by {function}") == (SUCCESS, 0, b"")
    shop.wait_for_event(f"by {function}", CE_TOPIC="granted")
    assert ask("invoke", "shop", "echo", "POST", "text/plain", f"from {function}") == (SUCCESS, 200, f"from {function}".encode())
    assert ask("state_get", "nowhere", "granted-1")[0] == DENIED
    for words, kind in [(("state_get", "store", "other"), "dapr-state"), (("publish", "broker", "other", "", "x"), "dapr-publish"),
                        (("secret", "vault", "granted"), "dapr-secret")]:
        before = shop.denials(function, kind)
        assert ask(*words) == (DENIED, 0, b"")
        assert shop.denials(function, kind) == before + 1
    shop.trilby.wait_for_log(rf'in [function.{function}.allow.dapr.state] add \"store/other\" = \"read-write\"')


def test_a_file_becomes_a_state(shop):
    answer = shop.post("/keep", b"order")
    assert (answer.status_code, answer.json()) == (200, {"for": "you"}), answer.text
    assert json.loads(shop.redis.ask("HGET", "shop||granted-kept", "data")) == {"for": "you"}
    assert shop.ask("state_delete", "store", "granted-kept")[0] == SUCCESS


def test_many_such_functions_wait_beside_each_other(shop):
    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(lambda number: shop.ask("state_save", "store", f"granted-{number}", str(number), path="/filing")[0], range(64)))
        read = list(pool.map(lambda number: shop.ask("state_get", "store", f"granted-{number}", path="/large"), range(64)))
        gone = list(pool.map(lambda number: shop.ask("state_delete", "store", f"granted-{number}", path="/filing")[0], range(64)))
    assert (kept, gone) == ([SUCCESS] * 64, [SUCCESS] * 64)
    assert read == [(SUCCESS, 0, str(number).encode()) for number in range(64)]


def test_a_slow_sidecar_is_bounded_by_the_wall_time_of_such_functions_too(shop):
    """They reach apps of their own process through it as well."""
    shop.sidecar.process.send_signal(signal.SIGSTOP)
    try:
        for words in (b"state_get\x1fstore\x1fgranted-1", b"invoke\x1fshop\x1fecho\x1fPOST\x1f\x1fhello"):
            answer = shop.post("/hasty", words)
            assert (answer.status_code, answer.headers["trilby-reason"]) == (504, "limit-wall"), answer.text
    finally:
        shop.sidecar.process.send_signal(signal.SIGCONT)
    assert shop.ask("state_get", "store", "granted-1", path="/filing")[0] == NOT_FOUND
    assert shop.ask("invoke", "shop", "echo", "POST", "text/plain", "hello", path="/filing") == (SUCCESS, 200, b"hello")


def test_such_a_call_ends_with_its_caller_while_it_waits_for_dapr(shop):
    own_calls = lambda: shop.metric("trilby_own_loop_calls_live")  # noqa: E731
    before = shop.metric("trilby_calls_total", function="filing", reason="cancelled")
    shop.sidecar.process.send_signal(signal.SIGSTOP)
    try:
        host, _, port = shop.public.removeprefix("http://").rpartition(":")
        body = b"state_get\x1fstore\x1fgranted-1"
        with socket.create_connection((host, int(port)), timeout=20) as caller:
            caller.sendall(b"POST /filing HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            shop.trilby_waits(lambda: own_calls() == 1, 20)
        shop.trilby_waits(lambda: shop.metric("trilby_calls_total", function="filing", reason="cancelled") == before + 1 and own_calls() == 0, 20)
    finally:
        shop.sidecar.process.send_signal(signal.SIGCONT)


def test_the_example_in_c_counts(shop):
    assert [shop.post("/count").text for _ in range(3)] == ["1\n", "2\n", "3\n"]
    shop.wait_for_event("3", CE_TOPIC="counts")


@pytest.mark.skipif(not (RUST / ".complete").exists(), reason="Debian's rustc is not unpacked; tests/guests/rust-image does that")
def test_the_example_in_rust_greets(shop):
    assert shop.post("/greet", b"ada").text == "hello ada, for the 1. time\n"
    assert shop.post("/greet", b"ada").text == "hello ada, for the 2. time\n"
    assert shop.post("/greet", b"bob").text == "hello bob, for the 1. time\n"
    answer = shop.post("/greet", b"../ada")
    assert (answer.status_code, answer.headers["trilby-reason"]) == (422, "bad-input"), answer.text
