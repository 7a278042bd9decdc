"""What becomes of events while everything around them fails: none is lost, and none is processed again without a cause."""

import json
from pathlib import Path

import faults
import pytest
from faults import FILED, HASTY, SAVED, Publishers, Shop, again, expected, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["http", "h2c", "grpc"])
def protocol(request):
    return request.param


@pytest.fixture
def patience():
    """What a test may set of the times after which an event is brought again."""
    return {}


@pytest.fixture
def shop(protocol, patience, sidecar_class, program, guests, tmp_path):
    shop = Shop(sidecar_class, program, guests, tmp_path, protocol, **patience)
    yield shop
    shop.stop()


def test_no_event_is_lost_whatever_is_killed(shop, protocol):
    """Five hundred here; `make soak` has ten thousand."""
    result = faults.run(shop, total=500, rounds=1, ahead=40)
    (ROOT / f"build/faults-{protocol}.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
    assert result["lost"] == 0, result
    assert protocol != "grpc" or result["lost_by_the_sidecar"] == 0, result
    assert not result["strange"], result
    assert result["processed_again"] <= result["may_be_processed_again"], result
    assert result["slow"] == 5


@pytest.mark.parametrize("patience", [{"timeout": "6s", "processing_timeout": "60000"}], ids=["patient"])  # a busy machine is no failure
def test_nothing_is_processed_twice_where_nothing_fails(shop):
    shop.start_trilby()
    shop.start_sidecar()
    total = 99  # none is slow but the first
    publishers = Publishers(shop, total, ahead=20)
    publishers.wait()
    wait_until(lambda: shop.entered() == 50 and len(shop.saved()) == 49 and shop.is_quiet(), "the events")
    assert set(+shop.ledger()) == expected(total, FILED)
    assert set(shop.saved()) == expected(total, SAVED)
    assert again(shop.ledger()) == again(shop.saved()) == 0
    assert not shop.published_again
    assert [path.name for path in shop.slow.iterdir()] == ["e00000"]
    wait_until(shop.given_up, "the access log's line")
    assert len(shop.given_up()) == 1


def test_it_is_the_policy_that_keeps_events_while_trilby_is_away(shop, protocol):
    """daprd 1.18 acknowledges to Redis what it could not bring, unless an inbound resiliency policy has it try again: what came while the app was
    away is lost then, and Trilby never saw it. Of many tries over HTTP one may be taken for processed all the same (`Shop.taken_for_processed`)."""
    kept = {f"e{number:05}" for number in range(1, 21)}
    shop.start_trilby()
    shop.start_sidecar()
    shop.trilby.stop()
    for number in range(1, 21):
        shop.publish("broker", FILED, number)
        shop.publish("careless", HASTY, number + 50)

    wait_until(lambda: (group := shop.group(HASTY))["entries-read"] == 20 and group["pending"] == 0, "the acknowledgement of what nobody took")
    assert shop.redis.pending(FILED, "shop") > 0
    shop.start_trilby()
    wait_until(lambda: shop.is_quiet() and {path.name for path in shop.done.iterdir()} | shop.taken_for_processed() >= kept, "the events that were kept")
    entered, taken = set(shop.ledger()), shop.taken_for_processed() & kept
    assert entered | taken == kept, "and none of the careless component"
    assert entered and (protocol != "grpc" or not taken)
