#include "policy/dapr_grants.h"

#include <gtest/gtest.h>

#include "policy/grants.h"

namespace trilby::policy {
namespace {

TEST(DaprNames, HoldNothingThatAUrlOrAStoreTakesForMore) {
  for (const std::string_view good : {"orders", "my-store_1", "app.namespace", "A", "a.b.c", ".hidden"}) {
    EXPECT_TRUE(is_dapr_name(good)) << good;
    EXPECT_TRUE(is_dapr_key(good)) << good;
    EXPECT_TRUE(is_dapr_path(good)) << good;
  }
  using namespace std::string_view_literals;
  for (const std::string_view bad :
       {""sv,     "."sv,   ".."sv,  "a..b"sv, "a%2fb"sv, "a%"sv,   "a||b"sv,        "a b"sv,  "a\nb"sv, "a\0b"sv,
        "a\\b"sv, "a?b"sv, "a#b"sv, "a*"sv,   "a;b"sv,   "\x7f"sv, "caf\xc3\xa9"sv, "\xff"sv, "a\"b"sv, "a&b"sv}) {
    EXPECT_FALSE(is_dapr_name(bad)) << bad;
    EXPECT_FALSE(is_dapr_key(bad)) << bad;
    EXPECT_FALSE(is_dapr_path(bad)) << bad;
  }
  EXPECT_FALSE(is_dapr_name("http://elsewhere"));
  EXPECT_FALSE(is_dapr_name("a:b"));
  EXPECT_FALSE(is_dapr_key("a/b"));
  EXPECT_TRUE(is_dapr_key("order:7@x+y=z,~"));
}

TEST(DaprSecret, IsNotWhatStandsForAllOfThem) {
  EXPECT_FALSE(is_dapr_secret("bulk"));
  EXPECT_TRUE(is_dapr_secret("bulk-mail"));
  EXPECT_TRUE(is_dapr_secret("Bulk"));
  EXPECT_FALSE(is_dapr_secret("a/b"));
}

TEST(DaprNames, HaveBounds) {
  EXPECT_TRUE(is_dapr_name(std::string(kMaxDaprName, 'a')));
  EXPECT_FALSE(is_dapr_name(std::string(kMaxDaprName + 1, 'a')));
  EXPECT_TRUE(is_dapr_key(std::string(kMaxDaprRest, 'a')));
  EXPECT_FALSE(is_dapr_key(std::string(kMaxDaprRest + 1, 'a')));
  EXPECT_TRUE(is_dapr_path("a/" + std::string(kMaxDaprRest - 2, 'a')));
  EXPECT_FALSE(is_dapr_path("a/" + std::string(kMaxDaprRest - 1, 'a')));
}

TEST(DaprPath, HasNoSegmentThatLeadsElsewhere) {
  EXPECT_TRUE(is_dapr_path("orders/7/items"));
  for (const std::string_view bad :
       {"/orders", "orders/", "a//b", "a/./b", "a/../b", "../b", "a/..", "/", "a/b%2f.."}) {
    EXPECT_FALSE(is_dapr_path(bad)) << bad;
  }
}

TEST(DaprGrant, CoversWhatItNamesAndNothingBeside) {
  EXPECT_TRUE(covers("billing/pay", "billing/pay"));
  EXPECT_FALSE(covers("billing/pay", "billing/pay/all"));
  EXPECT_FALSE(covers("billing/pay", "billing/pa"));
  EXPECT_TRUE(covers("billing/orders/*", "billing/orders/7"));
  EXPECT_FALSE(covers("billing/orders/*", "billing/orders"));
  EXPECT_TRUE(covers("billing/*", "billing/anything/at/all"));
  EXPECT_FALSE(covers("billing/*", "billing2/pay"));
  EXPECT_FALSE(covers("", "billing/pay"));
}

TEST(DaprGrants, AreEmptyUntilSomethingIsNamed) {
  DaprGrants grants;
  EXPECT_TRUE(grants.empty());
  EXPECT_FALSE(is_granted(grants.publish, "broker/orders"));
  EXPECT_FALSE(may_read_state(grants, "store/a"));
  grants.publish.insert("broker/orders");
  EXPECT_FALSE(grants.empty());
  EXPECT_TRUE(is_granted(grants.publish, "broker/orders"));
  EXPECT_FALSE(is_granted(grants.publish, "broker/order"));
}

TEST(DaprGrants, TellWhetherTheyOnlyInvoke) {
  DaprGrants grants;
  grants.invoke.insert("app/pay");
  EXPECT_TRUE(grants.only_invokes());
  EXPECT_FALSE(grants.empty());
  for (auto* const list : {&grants.publish, &grants.bindings, &grants.secrets, &grants.actors, &grants.configuration,
                           &grants.locks, &grants.jobs}) {
    list->insert("x");
    EXPECT_FALSE(grants.only_invokes());
    list->clear();
  }
  grants.state["store/a"] = {.read = true, .write = false};
  EXPECT_FALSE(grants.only_invokes());
}

TEST(DaprGrants, OfAStateTellReadingFromWriting) {
  DaprGrants grants;
  grants.state["store/seen-*"] = {.read = true, .write = false};
  grants.state["store/out-*"] = {.read = false, .write = true};
  grants.state["store/seen-mine-*"] = {.read = true, .write = true};
  EXPECT_TRUE(may_read_state(grants, "store/seen-1"));
  EXPECT_FALSE(may_write_state(grants, "store/seen-1"));
  EXPECT_TRUE(may_write_state(grants, "store/out-1"));
  EXPECT_FALSE(may_read_state(grants, "store/out-1"));
  EXPECT_TRUE(may_write_state(grants, "store/seen-mine-1"));
  EXPECT_FALSE(may_read_state(grants, "store2/seen-1"));
}

TEST(DaprGrants, OfSomeStateReachItsStoreAndNoOther) {
  DaprGrants grants;
  EXPECT_FALSE(may_read_store(grants, "store"));
  EXPECT_FALSE(may_write_store(grants, "store"));
  grants.state["store/seen-*"] = {.read = true, .write = false};
  grants.state["log/*"] = {.read = false, .write = true};
  EXPECT_TRUE(may_read_store(grants, "store"));
  EXPECT_FALSE(may_write_store(grants, "store"));
  EXPECT_FALSE(may_read_store(grants, "log"));
  EXPECT_TRUE(may_write_store(grants, "log"));
  for (const std::string_view other : {"stor", "store2", "s", "", "store/seen-*"}) {
    EXPECT_FALSE(may_read_store(grants, other)) << other;
  }
}

TEST(DaprGrant, ThatIsNoneIsTold) {
  EXPECT_EQ(grant_defect("billing/orders/*", DaprRest::Path), "");
  EXPECT_EQ(grant_defect("billing/*", DaprRest::Path), "");
  EXPECT_EQ(grant_defect("store/order-*", DaprRest::Key), "");
  EXPECT_EQ(grant_defect("billing", DaprRest::Path), "lacks a '/'");
  EXPECT_NE(grant_defect("/pay", DaprRest::Path), "");
  EXPECT_NE(grant_defect("*/pay", DaprRest::Path), "");
  EXPECT_NE(grant_defect("billing/", DaprRest::Path), "");
  EXPECT_NE(grant_defect("billing/../x", DaprRest::Path), "");
  EXPECT_NE(grant_defect("store/a/b", DaprRest::Key), "");
  EXPECT_EQ(grant_defect("vault/bulk", DaprRest::Secret),
            "is no secret: a sidecar takes it for all that the store has");
  EXPECT_EQ(grant_defect("vault/bulk*", DaprRest::Secret), "") << "and of these \"bulk\" is not asked for";
  EXPECT_EQ(grant_defect("store/bulk", DaprRest::Key), "");
  EXPECT_EQ(grant_defect("store/a*b*", DaprRest::Key), "has a '*' that is not its last character");
  for (const std::string_view job : {"daily", "remind-*", "*", "a.b_c"}) {
    EXPECT_EQ(grant_defect(job, DaprRest::None), "") << job;
  }
  for (const std::string_view none : {"", "jobs/daily", "a*b", "**", "a..*", "a:b"}) {
    EXPECT_EQ(grant_defect(none, DaprRest::None),
              "must be 1 to 128 letters, digits and '-._', with a '*' behind them or not")
        << none;
  }
}

TEST(DaprMend, IsTheLineThatTheManifestLacks) {
  Grants grants;
  grants.dapr.publish.insert("broker/a");
  EXPECT_EQ(mend(grants, "f", Grant::DaprPublish, "broker/b"),
            R"(in [function.f] add allow.dapr.publish = ["broker/a", "broker/b"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprInvoke, "app/pay"), R"(in [function.f] add allow.dapr.invoke = ["app/pay"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprBinding, "mail/create"),
            R"(in [function.f] add allow.dapr.bindings = ["mail/create"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprSecret, "vault/key"),
            R"(in [function.f] add allow.dapr.secrets = ["vault/key"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprState, "store/key"),
            R"(in [function.f.allow.dapr.state] add "store/key" = "read-write")");
  EXPECT_EQ(mend(grants, "f", Grant::DaprActor, "Counter/add"),
            R"(in [function.f] add allow.dapr.actors = ["Counter/add"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprConfiguration, "settings/limit"),
            R"(in [function.f] add allow.dapr.configuration = ["settings/limit"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprLock, "locks/order-7"),
            R"(in [function.f] add allow.dapr.locks = ["locks/order-7"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprJob, "remind-7"), R"(in [function.f] add allow.dapr.jobs = ["remind-7"])");
  EXPECT_EQ(mend(grants, "f", Grant::DaprActorState, "state/key"),
            "nothing grants it: an actor's own is there when Dapr calls f as one ([[app.ID.actor]])");
}

}  // namespace
}  // namespace trilby::policy
