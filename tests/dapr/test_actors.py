"""Actors: Trilby hosts them behind a real sidecar with placement, scheduler and Redis, and whoever calls goes through Dapr."""

import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from images import own
from sidecar import Placement, Redis, Scheduler, component, free_ports, write_resources
from world import World

ROOT = Path(__file__).parents[2]
APP = own("shop")
TOKEN = "app-token-19ac"
SUCCESS, INVALID, DENIED, NOT_FOUND, TOO_LARGE, FAILED = range(6)
MANIFEST = """
trilby = 1

[app.{app}]
port = 1
public = "127.0.0.1:0"
sidecar = {{ http = {port} }}

[[app.{app}.actor]]
type = "Teller"
function = "teller"
[[app.{app}.actor]]
type = "Doer"
function = "doer"
[[app.{app}.actor]]
type = "Sleeper"
function = "teller"
idle_timeout = "1s"
on_deactivate = true
[[app.{app}.actor]]
type = "Quiet"
function = "teller"
idle_timeout = "1s"

[[app.{app}.actor]]
type = "Counter"
function = "counter"
[[app.{app}.actor]]
type = "Filed"
function = "filed"
[[app.{app}.actor]]
type = "Asker"
function = "asker"
reentrancy = {{ max_depth = 2 }}
[[app.{app}.actor]]
type = "Stubborn"
function = "stubborn"

[[app.{app}.route]]
path = "/count"
function = "counter"
[[app.{app}.route]]
path = "/ask"
function = "asker"

[function.counter]
module = "{guests}/counter.wasm"
output = "cgi"
[function.filed]
module = "{guests}/counter.wasm"
output = "cgi"
allow.directories = {{ "/data" = "{data}" }}
[function.asker]
module = "{guests}/ask.wasm"
limits.wall = "20s"
allow.dapr.actors = ["Counter/*", "Asker/ask", "Doer/*", "Nobody/*"]
allow.dapr.invoke = ["{app}/actors/*"]
[function.stubborn]
module = "{guests}/ask.wasm"
limits.wall = "3s"
allow.dapr.actors = ["Stubborn/ask"]
[function.teller]
module = "{wat}/event.wasm"
content_type = "text/plain"
limits.log_lines_per_second = 100000
[function.doer]
module = "{guests}/actor.wasm"
output = "cgi"
limits = {{ wall = "20s", log_lines_per_second = 100000 }}
"""


def compile_c(source, folder):
    target = folder / f"{source.stem}.wasm"
    subprocess.run(["clang-14", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-s", f"-I{ROOT / 'examples/dapr'}", "-o", target, source],
                   check=True)


def asked(words):
    return b"\x1f".join(word.encode() if isinstance(word, str) else word for word in words)


def told(answer):
    head, _, rest = answer.content.partition(b"\n")
    return int(head.split()[0]), rest


def operations(*changes):
    """`key=value`, or a key alone that is deleted."""
    return json.dumps([{"operation": "upsert", "request": {"key": one[0], "value": one[1]}} if isinstance(one, tuple)
                       else {"operation": "delete", "request": {"key": one}} for one in changes])


class Shop(World):
    """Trilby with one app that hosts actors, and all that they need."""

    def __init__(self):
        self.parts = []  # in the order in which they started
        self.trilby = self.sidecar = None

    def start(self, system_class, sidecar_class, guests, scratch):
        self.system_class, self.scratch = system_class, scratch
        redis, scheduler, placement = [self._start(part) for part in (Redis, Scheduler, Placement)]
        resources = scratch / "resources"
        write_resources(resources, {"store": component("store", "state.redis", redisHost=redis.address, actorStateStore="true")})
        for source in ("tests/dapr/guests/actor.c", "tests/dapr/guests/ask.c", "examples/dapr/counter.c"):
            compile_c(ROOT / source, scratch)
        (scratch / "data").mkdir()
        port, self.app_port = free_ports(2)
        (scratch / "trilby.toml").write_text(MANIFEST.format(app=APP, port=port, guests=scratch, wat=guests, data=scratch / "data"))
        World.__init__(self, self.start_trilby(), None, redis, scheduler, scratch, resources, app=APP)
        self.sidecar = sidecar_class(APP, self.app_port, resources, scratch, app_token=TOKEN, http_port=port, options=[
            "--placement-host-address", placement.address, "--scheduler-host-address", scheduler.address])
        self.trilby_waits(lambda: self.call("Teller", "ready", "anything").status_code == 200, 60)

    def _start(self, part):
        self.parts.append(part(self.scratch))
        return self.parts[-1]

    def start_trilby(self):
        self.trilby = self.system_class(self.scratch / "trilby.toml", self.scratch, ["--port", f"{APP}={self.app_port}"],
                                        env={"APP_API_TOKEN": TOKEN, "TRILBY_LOG_FORMAT": "json"})
        return self.trilby

    def stop(self):
        """Returns Trilby's exit code."""
        ended = None
        if self.sidecar:
            self.sidecar.stop()
        if self.trilby:
            ended = self.trilby.stop()
        for part in reversed(self.parts):
            part.stop()
        return ended

    def call(self, kind, actor, method, content=b"", **more):
        """A method, through the sidecar."""
        return self.sidecar.client.post(f"/actors/{kind}/{actor}/method/{method}", content=content, **more)

    def ask(self, kind, actor, *words, **more):
        """One request of the guest `ask`, called as an actor. Returns the errno and the answer."""
        answer = self.call(kind, actor, "ask", asked(words), **more)
        assert answer.status_code == 200, answer.text
        return told(answer)

    def register(self, what, kind, actor, name, **said):
        answer = self.sidecar.client.post(f"/actors/{kind}/{actor}/{what}/{name}", json=said)
        assert answer.status_code == 204, answer.text

    def wait_for(self, actor, count=1, **variables):
        return self.wait_for_events(lambda one: one.variables.get("DAPR_ACTOR_ID") == actor and
                                    all(one.variables.get(name) == value for name, value in variables.items()), count)

    def channel_request(self, method, path, token=TOKEN, **fields):
        """As a sidecar would ask, the path as it is."""
        with socket.create_connection(("127.0.0.1", self.app_port), timeout=20) as connection:
            head = [f"{method} {path} HTTP/1.1", "host: x", "content-length: 0", "connection: close"]
            head += [f"dapr-api-token: {token}"] if token else []
            head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
            connection.sendall("\r\n".join([*head, "", ""]).encode())
            return int(connection.makefile("rb").readline().split()[1])


@pytest.fixture(scope="module")
def shop(system_class, sidecar_class, guests, tmp_path_factory):
    shop = Shop()
    try:
        shop.start(system_class, sidecar_class, guests, tmp_path_factory.mktemp("actors"))
        yield shop
    finally:
        ended = shop.stop()
    assert ended == 0


def test_the_app_says_which_actors_it_hosts(shop):
    answer = httpx.get(f"{shop.channel}/dapr/config", headers={"dapr-api-token": TOKEN})
    assert answer.json()["entities"] == ["Teller", "Doer", "Sleeper", "Quiet", "Counter", "Filed", "Asker", "Stubborn"]
    assert {"entities": ["Asker"], "reentrancy": {"enabled": True, "maxStackDepth": 2}} in answer.json()["entitiesConfig"]
    assert {"entities": ["Sleeper"], "actorIdleTimeout": "1000ms"} in answer.json()["entitiesConfig"]
    hosted = {one["type"] for one in shop.sidecar.metadata()["actorRuntime"]["activeActors"]}
    assert {"Teller", "Doer", "Sleeper", "Quiet"} <= hosted


def test_a_method_is_called(shop):
    answer = shop.call("Teller", "a-1", "greet", b"hello", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "hello", "text/plain")
    event = shop.wait_for("a-1")[0]
    assert event.data == b"hello"
    assert event.variables == {"DAPR_TRIGGER": "actor", "DAPR_ACTOR_TYPE": "Teller", "DAPR_ACTOR_ID": "a-1", "DAPR_ACTOR_METHOD": "greet"}
    shop.wait_for_requests("/actors/Teller/a-1/method/greet", method="PUT", status=200, function="teller")


@pytest.fixture(scope="module")
def other(shop, sidecar_class, tmp_path_factory):
    """The sidecar of another app."""
    scheduler, placement = shop.parts[1:3]
    sidecar = sidecar_class(own("other"), None, shop.resources, tmp_path_factory.mktemp("other"), options=[
        "--placement-host-address", placement.address, "--scheduler-host-address", scheduler.address])
    yield sidecar
    sidecar.stop()


def test_another_app_calls_it(shop, other):
    answer = other.wait_until(lambda: (said := other.client.post("/actors/Teller/far/method/greet", content=b"hello from afar")).status_code == 200 and said,
                              "the call")
    assert answer.text == "hello from afar"
    assert shop.wait_for("far")[0].variables["DAPR_ACTOR_METHOD"] == "greet"


def test_calls_of_one_actor_come_one_after_the_other(shop):
    """Which is the sidecar's doing: Trilby itself would run them together."""
    with ThreadPoolExecutor(4) as pool:
        turns = sorted(pool.map(lambda _: shop.call("Doer", "one", "sleep").json(), range(4)))
    assert all(end <= begin for (_, end), (begin, _) in zip(turns, turns[1:], strict=False)), turns


def test_a_call_of_one_actor_holds_up_no_other(shop):
    with ThreadPoolExecutor(1) as pool:
        resting = pool.submit(shop.call, "Doer", "slow", "rest", timeout=60)
        shop.trilby_waits(lambda: shop.metric("trilby_calls_live", function="doer") >= 1, 20)
        assert shop.call("Doer", "quick", "many").status_code == 200
        assert not resting.done()
        answer = resting.result()
    assert answer.status_code == 500 and "(504)" in answer.json()["message"], "it ends at its wall time"


def test_every_success_is_the_one_that_dapr_knows(shop):
    answer = shop.call("Doer", "x", "many")
    assert (answer.status_code, answer.text) == (200, "created")


def test_a_method_that_is_not_there(shop):
    answer = shop.call("Doer", "x", "nothing-of-the-kind")
    assert answer.status_code == 500
    assert (answer.json()["errorCode"], "actor method not found" in answer.json()["message"]) == ("ERR_ACTOR_INVOKE_METHOD", True)
    assert len(shop.wait_for_requests("/actors/Doer/x/method/nothing-of-the-kind", status=404)) == 1, "it is not tried again"


@pytest.mark.parametrize(("kind", "method", "body", "status", "reason"), [
    ("Doer", "trap", b"", 500, "trap"), ("Teller", "m", b"bad", 422, "bad-input"), ("Teller", "m", b"fail", 500, "function-failed")])
def test_a_call_that_fails_is_an_error_to_its_caller(shop, kind, method, body, status, reason):
    answer = shop.call(kind, f"failing-{reason}", method, body)
    assert (answer.status_code, answer.json()["errorCode"]) == (500, "ERR_ACTOR_INVOKE_METHOD")
    assert f"({status})" in answer.json()["message"] and reason in answer.json()["message"]
    assert len(shop.wait_for_requests(f"/actors/{kind}/failing-{reason}/method/{method}", status=status, reason=reason)) == 1


def test_an_actor_may_answer_an_error_in_daprs_words(shop):
    answer = shop.call("Doer", "x", "error")
    assert (answer.status_code, answer.headers["x-daprerrorresponseheader"], answer.text) == (200, "true", "no more counting")


def test_a_reminder_comes_with_its_data(shop):
    shop.register("reminders", "Teller", "r-1", "daily", dueTime="0s", period="R2/PT1S", data={"for": ["you", 1]})
    events = shop.wait_for("r-1", 2, DAPR_ACTOR_REMINDER="daily")
    assert json.loads(events[0].data) == {"for": ["you", 1]}
    assert events[0].variables["DAPR_TRIGGER"] == "actor"
    assert not {"DAPR_ACTOR_METHOD", "DAPR_ACTOR_DUE_TIME", "DAPR_ACTOR_PERIOD"} & set(events[0].variables), "the scheduler says no times"
    shop.wait_for_requests("/actors/Teller/r-1/method/remind/daily", count=2, status=200)


def test_a_reminder_that_fails_is_brought_again(shop):
    """Its data are JSON, so that they can only begin with the letters of `true` and `false`."""
    shop.register("reminders", "Teller", "r-2", "hopeless", dueTime="0s", data=True)
    shop.wait_for_requests("/actors/Teller/r-2/method/remind/hopeless", count=2, status=500, reason="trap")


def test_a_reminder_ends_when_the_actor_says_so(shop):
    """daprd 1.18.1 alone takes that for a success and goes on (`TODO: add support for cancelling a job` in its runtime/scheduler)."""
    path = "/actors/Doer/r-3/method/remind/for-ever"
    shop.register("reminders", "Doer", "r-3", "for-ever", dueTime="0s", period="4s")  # before which a busy machine has ended it
    shop.wait_for_requests(path, status=200)
    shop.trilby_waits(lambda: shop.sidecar.client.get("/actors/Doer/r-3/reminders/for-ever").status_code == 404, 20)
    shop.register("reminders", "Teller", "r-3-witness", "later", dueTime="5s")
    shop.wait_for("r-3-witness", DAPR_ACTOR_REMINDER="later")
    assert len(shop.requests(path)) == 1
    answer = httpx.put(shop.channel + path, headers={"dapr-api-token": TOKEN}, json={"data": 1})
    assert (answer.status_code, answer.headers["x-daprremindercancel"]) == (200, "true"), "Dapr itself is told as well"


def test_a_timer_does_not_end_when_the_actor_says_so(shop):
    """daprd 1.18.1 does not listen, and one that is deleted in its own turn nobody could end any more."""
    shop.call("Doer", "t-2", "many")
    shop.register("timers", "Doer", "t-2", "tick", dueTime="0s", period="R3/PT1S")
    shop.wait_for_requests("/actors/Doer/t-2/method/timer/tick", count=3, status=200)


def test_a_timer_comes(shop):
    shop.call("Teller", "t-1", "wake")
    shop.register("timers", "Teller", "t-1", "tick", dueTime="0s", period="1s", callback="ticked", data="twice")
    events = shop.wait_for("t-1", 2, DAPR_ACTOR_TIMER="tick")
    assert (events[0].data, events[0].variables["DAPR_ACTOR_CALLBACK"], events[0].variables["DAPR_ACTOR_PERIOD"]) == (b'"twice"', "ticked", "1s")
    assert shop.sidecar.client.delete("/actors/Teller/t-1/timers/tick").status_code == 204


def test_an_actor_that_is_idle_is_deactivated(shop):
    shop.call("Sleeper", "s-1", "work", b"x")
    shop.call("Quiet", "q-1", "work", b"x")
    event = shop.wait_for("s-1", DAPR_TRIGGER="actor-deactivation")[0]
    assert event.variables == {"DAPR_TRIGGER": "actor-deactivation", "DAPR_ACTOR_TYPE": "Sleeper", "DAPR_ACTOR_ID": "s-1"}
    shop.wait_for_requests("/actors/Sleeper/s-1", method="DELETE", status=200)
    quiet = shop.wait_for_requests("/actors/Quiet/q-1", method="DELETE", status=200)[0]
    assert "function" not in quiet, "whose function does not ask for it"


def test_the_channel_asks_for_the_token(shop):
    path = "/actors/Teller/token/method/m"
    assert [shop.channel_request("PUT", path, token) for token in (None, "wrong", TOKEN)] == [401, 401, 200]


def test_no_invocation_passes_for_a_turn(shop, other):
    """Whoever may call the app may not go past the sidecar's lock."""
    path = "actors/Teller/forged/method/m"
    answer = other.wait_until(lambda: (said := other.invoke(APP, path, "PUT", content=b"hello")).status_code != 500 and said, "the invocation")
    assert answer.status_code == 404, answer.text
    assert other.invoke(APP, "actors/Sleeper/forged", "DELETE").status_code == 404
    assert shop.channel_request("PUT", "/actors/Teller/f/method/m", dapr_caller_app_id="other") == 200, "as a sidecar marks who calls an actor"
    for fields in ({"dapr_caller_app_id": "other", "dapr_callee_app_id": APP}, {"dapr_callee_app_id": APP}):
        assert shop.channel_request("PUT", "/actors/Teller/f/method/m", **fields) == 404
        assert shop.channel_request("DELETE", "/actors/Sleeper/f", **fields) == 404


def test_a_caller_can_take_the_mark_of_an_invocation_off(shop, other):
    """A defect of daprd 1.18 that Trilby cannot mend: what is left of such a call is what an actor's call is, field by field (docs/dapr.md says what to do)."""
    other.wait_until(lambda: other.invoke(APP, "actors/Teller/taken/method/m", "PUT", content=b"hello", headers={
        "connection": "dapr-callee-app-id"}).status_code == 200, "the invocation that passes (if daprd keeps its marks, say so in docs/dapr.md and docs/dapr-conformance.md)")


def test_a_caller_can_take_the_mark_of_a_call_off_too(shop):
    """The same defect of daprd 1.18 with actors: what is left of the call of a method named so is what a reminder's is, field by field."""
    answer = shop.call("Teller", "f-3", quote("remind/forged", safe=""), b'{"data": 1}', headers={"connection": "dapr-caller-app-id"})
    assert answer.status_code == 200, "daprd keeps its mark: say so in docs/dapr.md, docs/security.md and docs/dapr-conformance.md"


def test_nobody_calls_a_reminder(shop):
    """The sidecar lets a method have a '/' in its name, so that the name may be that of a reminder."""
    answer = shop.call("Teller", "f-2", quote("remind/daily", safe=""), b"{}")
    assert answer.status_code == 500, answer.text
    shop.wait_for_requests("/actors/Teller/f-2/method/remind/daily", status=404)


@pytest.mark.parametrize("actor", ["a%2541", "a%20b", "caf%C3%A9", "a%7C%7Cb", "%2e%2e", "a%2Fb", "a%23", "x" * 257])
def test_an_id_that_could_be_read_in_two_ways_is_refused(shop, actor):
    answer = shop.call("Teller", actor, "m", b"two ways")
    assert answer.status_code >= 400, answer.text
    assert not [event for event in shop.events() if event.data == b"two ways"]


@pytest.mark.parametrize("actor", ["a:b", "a@b.c", "a+b", "(a)", "x" * 256])
def test_an_id_arrives_as_the_one_that_was_called(shop, actor):
    assert shop.call("Teller", quote(actor, safe=""), "m", b"x").status_code == 200
    shop.wait_for(actor)


def test_the_example_counts_and_loses_nothing(shop):
    """Reading and writing a count is safe where nobody else has a turn."""
    with ThreadPoolExecutor(8) as pool:
        answers = sorted(int(answer.text) for answer in pool.map(lambda _: shop.call("Counter", "apples", "add", b"1"), range(40)))
    assert answers == list(range(1, 41))
    assert shop.call("Counter", "pears", "get").text == "0\n", "each has its own"
    assert shop.redis.ask("KEYS", f"{APP}||Counter||*") == [f"{APP}||Counter||apples||count"]


def test_an_actor_whose_function_has_a_folder_keeps_its_state(shop):
    """It runs on a loop of its own, and asks from there."""
    with ThreadPoolExecutor(8) as pool:
        answers = sorted(int(answer.text) for answer in pool.map(lambda _: shop.call("Filed", "a", "add", b"1"), range(20)))
    assert answers == list(range(1, 21))
    assert shop.call("Filed", "b", "get").text == "0\n"
    assert shop.redis.ask("KEYS", f"{APP}||Filed||*") == [f"{APP}||Filed||a||count"]
    assert shop.call("Filed", "a", "forget-in-a-second").status_code == 200, "its reminder too"
    shop.trilby_waits(lambda: shop.call("Filed", "a", "get").text == "0\n", 20)


def test_an_actors_state_outlives_its_host(shop):
    shop.call("Counter", "kept", "add", b"7")
    assert shop.trilby.stop() == 0
    shop.start_trilby()
    shop.channel, shop.public = (shop.trilby.ready["apps"][APP][name] for name in ("channel", "public"))
    answer = shop.trilby_waits(lambda: (said := shop.call("Counter", "kept", "get")).status_code == 200 and said, 30)
    assert answer.text == "7\n"


def test_an_actor_sets_a_reminder_for_itself_and_ends_it(shop):
    shop.call("Counter", "forgetful", "add", b"3")
    assert shop.call("Counter", "forgetful", "forget-in-a-second").status_code == 200
    shop.trilby_waits(lambda: shop.call("Counter", "forgetful", "get").text == "0\n", 20)
    shop.trilby_waits(lambda: shop.sidecar.client.get("/actors/Counter/forgetful/reminders/forget").status_code == 404, 20)


def test_a_transaction_is_all_or_nothing(shop):
    ask = lambda *words: shop.ask("Asker", "t", *words)  # noqa: E731
    assert ask("actor_state_get", "a") == (NOT_FOUND, b"")
    assert ask("actor_state_change", operations(("a", {"x": [1]}), ("b", "two"))) == (SUCCESS, b"")
    assert json.loads(ask("actor_state_get", "a")[1]) == {"x": [1]}
    assert ask("actor_state_change", operations("a", ("b", 3))) == (SUCCESS, b"")
    assert (ask("actor_state_get", "a"), ask("actor_state_get", "b")) == ((NOT_FOUND, b""), (SUCCESS, b"3"))
    for wrong in ("{}", "[]", operations(("b", 4), ("b||c", 5)), '[{"operation":"upsert","request":{"key":"b","value":4,"etag":"1"}}]'):
        assert ask("actor_state_change", wrong) == (INVALID, b"")
    assert ask("actor_state_get", "b") == (SUCCESS, b"3")
    large = json.dumps("x" * (1 << 20))
    assert ask("actor_state_change", operations(("large", "x" * (1 << 20)))) == (SUCCESS, b"")
    assert ask("actor_state_get", "large") == (SUCCESS, large.encode())


def test_who_is_called_as_no_actor_has_no_actors_state(shop):
    def ask(*words):
        return told(httpx.post(shop.public + "/ask", content=asked(words), timeout=30))
    before = shop.metric("trilby_call_denials_total", function="asker", grant="dapr-actor-state")
    for words in (("actor_state_get", "a"), ("actor_state_change", operations("a")), ("actor_reminder", "r", "{}"), ("actor_timer", "t", "")):
        assert ask(*words) == (DENIED, b"")
    assert shop.metric("trilby_call_denials_total", function="asker", grant="dapr-actor-state") == before + 4
    shop.trilby.wait_for_log("nothing grants it: an actor's own is there when Dapr calls asker as one")
    assert ask("actor_invoke", "Counter", "from-outside", "add", "text/plain", "5") == (SUCCESS, b"5\n"), "calling one is another thing"


def test_an_actor_calls_others_under_grants(shop):
    ask = lambda *words: shop.ask("Asker", "caller", *words)  # noqa: E731
    assert ask("actor_invoke", "Counter", "called", "add", "", "2") == (SUCCESS, b"2\n")
    assert ask("actor_invoke", "Doer", "x", "nothing-of-the-kind", "", "") == (FAILED, b"")
    assert ask("actor_invoke", "Doer", "x", "error", "", "") == (FAILED, b""), "an error in Dapr's words is one"
    assert ask("actor_invoke", "Teller", "x", "greet", "", "") == (DENIED, b"")
    assert ask("actor_invoke", "Asker", "x", "other", "", "") == (DENIED, b"")
    shop.trilby.wait_for_log(r'in [function.asker] add allow.dapr.actors = [')


def test_a_call_may_come_back_to_an_actor_that_is_reentrant(shop):
    assert shop.ask("Asker", "mirror", "actor_state_change", operations(("seen", True))) == (SUCCESS, b"")
    assert shop.ask("Asker", "mirror", "back", "Asker", "mirror") == (SUCCESS, b"0 0 4\ntrue")
    answer = shop.call("Stubborn", "mirror", "ask", b"\x1f".join([b"back", b"Stubborn", b"mirror"]))
    assert (answer.status_code, "(504)" in answer.text) == (500, True), "without, it waits for itself until its time is over"


def test_a_function_does_not_get_around_the_lock_by_calling_its_own_app(shop):
    answer = httpx.post(shop.public + "/ask", content=asked(("invoke", APP, "actors/Counter/apples/method/add", "PUT", "", "1")), timeout=30)
    assert answer.content.split()[:2] == [b"0", b"404"]


def test_hostile_arguments_are_refused(shop):
    answer = shop.call("Asker", "hostile", "ask", b"hostile-actor")
    assert (answer.status_code, answer.text) == (200, "fine\n"), answer.text
