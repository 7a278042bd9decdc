"""`trilby up --sidecar daprd`: the sidecars that Trilby starts itself, looks after, and stops."""

import json
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from images import APPS, is_gray, own, picture, write_manifest
from observed import HeldCall, metric
from sidecar import PROGRAMS, Daprd, component, free_ports, is_running, sidecars_of, wait_until
from sidecar import log_records as lines

WEB, OTHER, THIRD = (own(app) for app in ("web", "other", "third"))
TWO_APPS = """
[app.{web}]
port = 0
sidecar = {{ http = 0 }}
[[app.{web}.route]]
path = "/echo"
function = "echo"
[[app.{web}.route]]
path = "/sleep"
function = "sleep"
[[app.{web}.route]]
path = "/spin"
function = "spin"
[app.{other}]
port = 0
sidecar = {{ http = 0 }}
[[app.{other}.route]]
path = "/text"
text = "a text of the other"
[function.echo]
module = "{guests}/echo.wasm"
[function.sleep]
module = "{guests}/sleep.wasm"
[function.spin]
module = "{guests}/spin.wasm"
limits.cpu = "200ms"
"""


def sidecars(system):
    """The pid of each sidecar by its app-id."""
    return {app: pid for app, (pid, _) in sidecars_of(system).items()}


def is_usable(system, app):
    try:
        return httpx.get(system.ready["apps"][app]["sidecar"] + "/v1.0/healthz/outbound", timeout=5).status_code == 204
    except httpx.TransportError:
        return False


def invoke(system, caller, app, path, verb="POST", **more):
    """Asks the sidecar of `caller` for something of `app`, until it finds that."""
    url = f"{system.ready['apps'][caller]['sidecar']}/v1.0/invoke/{app}/method/{path}"
    return wait_until(lambda: Daprd.has_found(answer := httpx.request(verb, url, timeout=60, **more)) and answer)


def live_calls(system):
    return metric(system, "trilby_calls_live")


def options(*apps):
    assert (PROGRAMS / "daprd").exists(), "the real Dapr is not built; run `make dapr`"
    ports = [word for app in apps for word in ("--port", f"{app}.sidecar=0")]
    return ["--sidecar", "daprd", "--daprd", str(PROGRAMS / "daprd"), *ports]


@pytest.fixture
def two_apps(start_system, guests):
    """Each system ends with its test, for the next one's sidecars have the same app-ids, and either may be found."""
    started = []

    def start(*more, **settings):
        text = TWO_APPS.format(guests=guests, web=WEB, other=OTHER)
        env = {"TRILBY_LOG_FORMAT": "json"} | settings.pop("env", {})
        started.append(start_system(text, *options(), *more, env=env, **settings))
        return started[-1]

    yield start
    for system in started:
        system.stop()


def test_the_articles_system_with_a_sidecar_beside_each_app(system_class, tmp_path):
    apps = tuple(map(own, APPS))
    system = system_class(write_manifest(tmp_path), tmp_path, [*options(*apps), "--daprd-arg=--enable-api-logging"], env={"TRILBY_LOG_FORMAT": "json"})
    try:
        assert set(sidecars(system)) == set(apps)
        cat = picture("chelsea.png", "PNG")
        assert "<html" in httpx.get(system.url(own("go-web-port")) + "/").text
        for answer in (invoke(system, own("go-web-port"), own("image-api-rs"), "api/image", content=cat),
                       httpx.post(system.url(own("go-web-port")) + "/api/hello", content=cat, timeout=60)):
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
            assert is_gray(answer.content)
        wait_until(lambda: len(lines(system, message="sidecar", app=own("go-web-port"), line="HTTP API Called")) >= 2)  # the route's is the second
        assert "picture" in invoke(system, own("image-api-rs"), own("image-api-go"), "api/image", content=cat).text
        for app in apps:
            assert lines(system, message="sidecar", app=app), "its log is told apart"
            assert lines(system, message="the sidecar is there", app=app)
    finally:
        code = system.stop()
    assert code == 0


def test_a_sidecar_that_dies_is_replaced_and_nothing_else_is(two_apps):
    system = two_apps()
    before, worker = sidecars(system), system.ready["worker"]
    os.kill(before[WEB], signal.SIGKILL)
    died = json.loads(system.wait_for_log("the sidecar died; starting another"))
    assert (died["app"], died["end"]) == (WEB, "signal 9 (Killed)")
    wait_until(lambda: is_usable(system, WEB))
    after = sidecars(system)
    assert after[WEB] != before[WEB] and after[OTHER] == before[OTHER]
    assert wait_until(lambda: invoke(system, OTHER, WEB, "echo", content=b"again").content == b"again")
    assert system.reread()["worker"] == worker


def test_calls_of_one_sidecar_compute_on_all_loops(two_apps):
    """It speaks HTTP/2 with its app, over one connection, and a connection stays with the loop that has accepted it."""
    system = two_apps("--loops", "2")
    with ThreadPoolExecutor(4) as pool:
        assert {answer.status_code for answer in pool.map(lambda _: invoke(system, OTHER, WEB, "spin"), range(4))} == {504}
    assert metric(system, "trilby_http_connections") <= 2, "one of each sidecar"
    assert metric(system, "trilby_calls_sent_total") >= 1


def test_sidecars_live_until_the_apps_have_drained(two_apps):
    system = two_apps()
    pids = sidecars(system)
    assert invoke(system, WEB, WEB, "echo", content=b"found").content == b"found"
    go_on = threading.Event()

    def held():
        yield b"the beginning"
        go_on.wait(60)
        yield b", the end"

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(invoke, system, WEB, WEB, "echo", content=held())
        wait_until(lambda: live_calls(system) == 1)
        system.signal()
        system.wait_for_log('"message":"draining"')
        go_on.set()
        assert answer.result().content == b"the beginning, the end", "it came through the sidecar"
    assert system.stop() == 0
    assert not [pid for pid in pids.values() if is_running(pid)]
    told = [line.get("line", line["message"]) for line in lines(system)]
    drained = told.index("stopped")
    asked = [at for at, text in enumerate(told) if text.startswith("Received signal")]
    assert len(asked) == 2 and min(asked) > drained


def test_a_terminals_interrupt_does_not_reach_them(two_apps):
    """Ctrl-C goes to every process of the foreground group."""
    system = two_apps(prepare=os.setpgrp)
    pids = sidecars(system)
    assert all(os.getpgid(pid) != system.process.pid for pid in pids.values())
    os.killpg(system.process.pid, signal.SIGINT)
    assert system.process.wait(30) == 0
    assert not [pid for pid in pids.values() if is_running(pid)]


def test_a_second_signal_kills_those_that_do_not_stop(two_apps):
    system = two_apps()
    pids = sidecars(system)
    os.kill(pids[WEB], signal.SIGSTOP)
    system.signal()
    system.wait_for_log('"message":"stopped"')
    wait_until(lambda: not is_running(pids[OTHER]))
    assert is_running(pids[WEB])
    system.signal()
    assert system.process.wait(20) == 0
    assert not is_running(pids[WEB])


def test_a_second_signal_leaves_no_sidecar_time_either(two_apps):
    system = two_apps()
    os.kill(sidecars(system)[WEB], signal.SIGSTOP)  # it would need the whole of its grace period
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: httpx.post(system.url(WEB) + "/sleep", content=(60_000_000_000).to_bytes(8, "little"), timeout=60))
        wait_until(lambda: live_calls(system) == 1)
        system.signal()
        system.wait_for_log("draining; a second signal stops at once")
        system.signal()
        assert system.process.wait(30) == 75
    assert not lines(system, message="the sidecar does not stop; killing it")


def test_no_sidecar_outlives_a_supervisor_that_is_killed(two_apps):
    system = two_apps()
    pids = sidecars(system)
    system.signal(signal.SIGKILL)
    system.process.wait(20)
    wait_until(lambda: not [pid for pid in pids.values() if is_running(pid)])


def reload(system, text):
    system.manifest.write_text(text)
    system.process.send_signal(signal.SIGHUP)
    system.wait_for_another_worker()


def test_a_reload_starts_and_stops_what_the_manifest_says(two_apps):
    system = two_apps()
    before = sidecars(system)
    text = system.manifest.read_text()
    third = text[text.index(f"[app.{OTHER}]"):text.index("[function.echo]")].replace(OTHER, THIRD)
    reload(system, text + third)
    wait_until(lambda: set(sidecars(system)) == {WEB, OTHER, THIRD})
    wait_until(lambda: is_usable(system, THIRD))
    started = sidecars(system)[THIRD]
    reload(system, text)
    wait_until(lambda: not is_running(started))
    assert sidecars(system) == before, "they went on, on their ports"
    assert all(is_usable(system, app) for app in before)


def test_a_sidecar_that_is_not_wanted_any_more_lives_until_what_began_before_has_ended(two_apps):
    system = two_apps()
    text = system.manifest.read_text()
    reload(system, text + text[text.index(f"[app.{OTHER}]"):text.index("[function.echo]")].replace(OTHER, THIRD))
    pid, worker = wait_until(lambda: sidecars(system).get(THIRD)), system.reread()["worker"]
    wait_until(lambda: lines(system, message="the sidecar is there", app=THIRD))
    with HeldCall(system, WEB) as call:
        reload(system, text)
        assert call.release().body == b"held"
    wait_until(lambda: not is_running(pid))
    told = lines(system)
    drained = [at for at, line in enumerate(told) if line["message"] == "stopped"][1]  # the first worker was done before
    asked = next(at for at, line in enumerate(told) if line.get("line", "").startswith("Received signal"))
    assert drained < asked
    assert not is_running(worker)


TOPIC = """
[[app.{web}.topic]]
pubsub = "broker"
topic = "news"
path = "/news"
function = "echo"
"""


@pytest.fixture
def with_broker(two_apps, tmp_path):
    """Two apps whose sidecars have a broker each."""
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/broker.yaml").write_text(component("broker", "pubsub.in-memory"))
    return two_apps("--resources-path", str(tmp_path / "resources"))


def subscriptions(system, app):
    """The topics that a sidecar has subscribed to; nothing while it has not asked its app yet."""
    base = system.ready["apps"][app]["sidecar"]
    try:
        if httpx.get(f"{base}/v1.0/healthz", timeout=5).status_code != 204:
            return None
        return [one["topic"] for one in httpx.get(f"{base}/v1.0/metadata", timeout=5).json().get("subscriptions", [])]
    except httpx.TransportError:
        return None


def test_a_sidecar_is_replaced_when_its_app_wants_other_topics(with_broker):
    system = with_broker
    before, text = sidecars(system), system.manifest.read_text()
    reload(system, text.replace('text = "a text of the other"', 'text = "another text"'))
    assert sidecars(system) == before, "nothing has changed that they were told"
    reload(system, text + TOPIC.format(web=WEB))
    replaced = wait_until(lambda: (pid := sidecars(system).get(WEB)) != before[WEB] and pid)

    def brought():  # what is published before the subscription stands is brought to nobody
        httpx.post(f"{system.ready['apps'][WEB]['sidecar']}/v1.0/publish/broker/news", json=1, timeout=10)
        return lines(system, path="/news", status=200)

    wait_until(lambda: is_usable(system, WEB))
    wait_until(brought)
    reload(system, text)
    wait_until(lambda: sidecars(system).get(WEB) not in (replaced, None))
    wait_until(lambda: subscriptions(system, WEB) == [])
    assert sidecars(system)[OTHER] == before[OTHER]


def released_at(system):
    """When each worker began to let go. (What two processes log can be written in another order than it was said in.)"""
    return [line["time"] for line in lines(system, message="draining")]


def was_asked_to_end_at(system):
    """When the first sidecar of all said so."""
    return min(line["time"] for line in lines(system, message="sidecar") if line["line"].startswith("Received signal"))


def test_a_sidecar_is_replaced_only_when_the_worker_before_answers_nobody(with_broker):
    """Otherwise the new one might ask that, be told the old topics, and never ask again."""
    system = with_broker
    worker = system.ready["worker"]
    os.kill(worker, signal.SIGSTOP)  # whoever connects may still get to it
    system.manifest.write_text(system.manifest.read_text() + TOPIC.format(web=WEB))
    system.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(lines(system, message="serving")) == 2)
    for _ in range(50):
        assert httpx.post(f"{system.url(WEB)}/echo", content=b"x", timeout=60).content == b"x"
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: subscriptions(system, WEB) == ["news"])
    assert released_at(system)[0] <= was_asked_to_end_at(system)


def reload_without_waiting(system, manifest, serving):
    """Until as many workers have said that they serve."""
    system.manifest.write_text(manifest)
    system.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(lines(system, message="serving")) == serving)


def test_a_sidecar_is_replaced_only_when_no_worker_before_answers(with_broker):
    """Also when there was another reload meanwhile: the worker of that lets go, and the first one not yet."""
    system = with_broker
    first, before = system.ready["worker"], sidecars(system)
    os.kill(first, signal.SIGSTOP)
    text = system.manifest.read_text()
    reload_without_waiting(system, text + TOPIC.format(web=WEB), 2)
    reload_without_waiting(system, text + TOPIC.format(web=WEB).replace("news", "olds"), 3)
    wait_until(lambda: lines(system, message="stopped"))  # the second worker's
    assert sidecars(system)[WEB] == before[WEB]
    os.kill(first, signal.SIGCONT)
    wait_until(lambda: subscriptions(system, WEB) == ["olds"])
    assert released_at(system)[1] <= was_asked_to_end_at(system)


def test_resources_and_arguments_are_handed_on(two_apps, tmp_path):
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/store.yaml").write_text(component("store", "state.in-memory"))
    system = two_apps("--resources-path", str(tmp_path / "resources"), "--daprd-arg=--log-level=debug")
    assert invoke(system, WEB, WEB, "echo", content=b"x").status_code == 200
    state = system.ready["apps"][WEB]["sidecar"] + "/v1.0/state/store"
    assert httpx.post(state, json=[{"key": "a", "value": 1}]).status_code == 204
    assert httpx.get(state + "/a").text == "1"
    assert lines(system, message="sidecar", app=WEB)


def test_tokens_are_for_both_sides(two_apps):
    system = two_apps(env={"APP_API_TOKEN": "of-the-app", "DAPR_API_TOKEN": "of-the-sidecar"})
    assert httpx.post(system.url(WEB) + "/echo", content=b"x").status_code == 401
    assert invoke(system, WEB, OTHER, "text", "GET").status_code == 401
    assert invoke(system, WEB, OTHER, "text", "GET", headers={"dapr-api-token": "of-the-sidecar"}).text == "a text of the other"


# ---- What cannot start


@pytest.fixture
def refused(trilby, tmp_path):
    """Runs `trilby up` with these options and gives how it ended."""
    (tmp_path / "trilby.toml").write_text(f'trilby = 1\n[app.web]\nport = {free_ports(1)[0]}\n[[app.web.route]]\npath = "/"\ntext = "hi"\n')

    def run(*words, **env):
        return subprocess.run([trilby, "up", "--port", "web=0", "--admin-port", "0", *words], capture_output=True, text=True, cwd=tmp_path,
                              timeout=60, stdin=subprocess.DEVNULL, env=os.environ | env)

    return run


def test_a_daprd_that_is_not_there_is_said_at_once(refused, tmp_path):
    ended = refused("--sidecar", "daprd", "--daprd", str(tmp_path / "daprd"))
    assert (ended.returncode, ended.stdout) == (78, "")
    assert ended.stderr == f"trilby: --daprd: {tmp_path}/daprd is no program that can be run\n"
    (tmp_path / "daprd").write_text("no program")
    assert "is no program that can be run" in refused("--sidecar", "daprd", "--daprd", str(tmp_path / "daprd")).stderr
    ended = refused("--sidecar", "daprd", HOME=str(tmp_path), PATH="/nowhere", TRILBY_CACHE="")
    assert ended.returncode == 78
    assert ended.stderr == f"trilby: there is no daprd in {tmp_path}/.cache/trilby/dapr/* or PATH\ntry: make dapr, or --daprd PATH\n"


def test_no_daprd_is_taken_from_the_folder_that_it_is_started_in(refused, tmp_path):
    (tmp_path / ".cache/trilby/dapr/1").mkdir(parents=True)
    daprd = tmp_path / ".cache/trilby/dapr/1/daprd"
    daprd.write_text("#!/bin/sh\ntouch ran\n")
    daprd.chmod(0o755)
    ended = refused("--sidecar", "daprd", HOME="", PATH="/nowhere", TRILBY_CACHE="")
    assert ended.stderr == "trilby: there is no daprd in PATH\ntry: make dapr, or --daprd PATH\n"
    assert not (tmp_path / "ran").exists()


def test_a_sidecar_that_cannot_start_ends_the_start_and_says_why(refused, tmp_path):
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/broken.yaml").write_text(component("broken", "pubsub.no-such-thing"))
    ended = refused(*options("web"), "--resources-path", str(tmp_path / "resources"))
    assert ended.returncode == 78
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("trilby: the sidecar of web ended as soon as it was started: exit code 1: ")
    assert "broken" in last


def test_a_port_that_is_taken_is_said_with_its_owner(refused):
    (port,) = free_ports(1)
    with subprocess.Popen(["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)], stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as owner:
        wait_until(lambda: not httpx.get(f"http://127.0.0.1:{port}/").is_error if _listens(port) else False)
        ended = refused(*options(), "--port", f"web.sidecar={port}")
        owner.kill()
    assert ended.returncode == 78
    assert f"app.web.sidecar.http: 127.0.0.1:{port} is in use by python3 (pid {owner.pid})" in ended.stderr
    assert "try: stop that, write another port, or add --port web.sidecar=0 for any free one" in ended.stderr


def _listens(port):
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
    except httpx.TransportError:
        return False
    return True


def test_what_is_for_sidecars_needs_them(refused):
    ended = refused("--resources-path", "components")
    assert ended.returncode == 64
    assert "--daprd, --resources-path, --config and --daprd-arg are for the sidecars of --sidecar daprd" in ended.stderr
    assert refused("--daprd", "/nowhere/daprd").returncode == 64
    assert "app.web.sidecar.http: any port is for sidecars that Trilby starts" in refused("--port", "web.sidecar=0").stderr
    assert '--sidecar: "dapr" is none of: daprd; did you mean daprd?' in refused("--sidecar", "dapr").stderr
