"""What else Dapr brings: input bindings, jobs, changes of configuration."""

import json

# An app says of each binding whether it takes it, or gives a list of those that it takes.
QUESTION = {"http": "/{}", "grpc": "/dapr.proto.runtime.v1.AppCallback/ListInputBindings"}


def test_an_input_binding_is_offered_and_brought(world):
    world.wait_for_requests(QUESTION[world.protocol].format("every-second"), method="OPTIONS", status=200)
    event = world.wait_for_events(lambda one: one.variables.get("DAPR_BINDING") == "every-second")[0]
    assert event.variables["DAPR_TRIGGER"] == "binding"
    assert event.data == b""
    assert "DAPR_METADATA_READTIMEUTC" in event.variables
    assert not {"DAPR_METADATA_HOST", "DAPR_METADATA_CONTENT_TYPE", "DAPR_METADATA_TRACEPARENT"} & set(event.variables)


def test_an_input_binding_may_have_another_route(world):
    event = world.wait_for_events(lambda one: one.variables.get("DAPR_BINDING") == "elsewhere")[0]
    assert event.function == "special"
    assert world.wait_for_requests("/bindings/elsewhere")


def test_an_input_binding_that_the_manifest_does_not_name_is_declined(world):
    world.wait_for_requests(QUESTION[world.protocol].format("unwanted"), method="OPTIONS", status={"http": 404, "grpc": 200}[world.protocol])
    world.trilby_waits(lambda: world.sidecar.has_said("binding is declined", "unwanted"), 20)
    assert not [line for line in world.requests("/unwanted") if line["method"] == "POST"]


def schedule(world, name, data=None, **more):
    """`data`: None for none."""
    data = {} if data is None else {"data": data}
    answer = world.sidecar.client.post(f"/jobs/{name}", json={"dueTime": "0s", "overwrite": True} | data | more)
    assert answer.status_code == 204, answer.text


def test_a_job_brings_its_data(world):
    schedule(world, "report", {"month": 11})
    event = world.wait_for_events(lambda one: one.variables.get("DAPR_JOB") == "report")[0]
    assert json.loads(event.data) == {"month": 11}
    assert event.variables["DAPR_TRIGGER"] == "job"
    world.wait_for_requests("/job/report", status=200)


def test_a_job_that_nobody_takes_is_dropped(world):
    schedule(world, "unknown", "x")
    world.wait_for_requests("/job/unknown", status=404)


def test_a_job_that_fails_follows_its_policy(world):
    """Its data over HTTP is JSON, so that it can only begin with the letters of `true` and `false`. Intervals are protobuf durations: seconds."""
    schedule(world, "failing", True, failurePolicy={"constant": {"interval": "0.1s", "maxRetries": 2}})
    world.wait_for_requests("/job/failing", count=3, reason="trap", status=500)


def test_a_job_that_fails_without_a_policy_is_tried_three_more_times(world):
    before = len(world.requests("/job/failing"))
    schedule(world, "failing", True)
    world.wait_for_requests("/job/failing", count=before + 4, reason="trap", status=500)


def test_a_job_without_data_brings_null_and_over_http_never_comes(world):
    """daprd 1.18.1 cannot write what is not there for an app over HTTP, and gives the job up as if the app had failed: give it some data."""
    schedule(world, "report")
    if world.protocol == "grpc":
        world.wait_for_event(b"null", DAPR_JOB="report")
    else:
        world.trilby_waits(lambda: world.sidecar.has_said("job cannot be written"), 20)
    schedule(world, "report", "with data")
    world.wait_for_event('"with data"', DAPR_JOB="report")


def test_a_job_that_is_dropped_is_not_tried_again(world):
    schedule(world, "dropped", False, failurePolicy={"constant": {"interval": "0.1s", "maxRetries": 5}})
    world.wait_for_requests("/job/dropped", reason="function-failed", status=404)
    schedule(world, "report", "after it")
    world.wait_for_event('"after it"')
    assert len(world.requests("/job/dropped")) == 1


def test_a_change_of_configuration_is_brought(world):
    answer = world.sidecar.client.get("/configuration/settings/subscribe", params=[("key", "limit"), ("key", "other")])
    assert answer.status_code == 200, answer.text

    def brought():
        # daprd answers before it listens to Redis, and what changes until then is told to nobody.
        world.redis.ask("SET", "limit", "25||v3")
        return [event for event in world.events() if event.variables.get("DAPR_CONFIGURATION_KEY") == "limit"]

    event = world.trilby_waits(brought, seconds=20)[0]
    assert event.data == b"25"
    assert event.variables["DAPR_CONFIGURATION_STORE"] == "settings"
    assert event.variables["DAPR_CONFIGURATION_VERSION"] == "v3"
    assert event.variables["DAPR_TRIGGER"] == "configuration"
    world.wait_for_requests("/configuration/settings/limit", status=200)
