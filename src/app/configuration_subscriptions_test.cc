#include "app/configuration_subscriptions.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace trilby::app {
namespace {

/// "settings a,b; limits *"
std::string say(const std::vector<ConfigurationSubscription>& subscriptions) {
  std::string out;
  for (const ConfigurationSubscription& one : subscriptions) {
    out += out.empty() ? "" : "; ";
    out += one.store + " ";
    for (const std::string& key : one.keys) {
      out += (out.ends_with(' ') ? "" : ",") + key;
    }
    out += one.keys.empty() ? "*" : "";
    for (const auto& [name, value] : one.metadata) {
      out += fmt::format(" {}={}", name, value);
    }
    out += one.id.empty() ? "" : " = " + one.id;
  }
  return out;
}

std::string say(const std::optional<std::vector<ConfigurationSubscription>>& noted) {
  return noted ? say(*noted) : "none";
}

App app_with(const std::vector<std::pair<std::string, std::string>>& triggers) {
  App app;
  for (const auto& [store, key] : triggers) {
    ConfigurationTrigger& made = app.configurations.emplace_back();
    made.store = store;
    made.key = key;
  }
  return app;
}

/// What a sidecar tells of itself when this was left with it.
std::string metadata_with(const std::string& note) {
  std::string out;
  JsonWriter json(out);
  json.open_object().member("id", "shop").key("extended").open_object().member("daprRuntimeVersion", "1.18.1");
  json.member(kSubscriptionsNote, note).close_object().close_object();
  return out;
}

TEST(NeededSubscriptions, AreOneForAStoreWithAllItsKeys) {
  EXPECT_EQ(say(needed_subscriptions(app_with({}))), "");
  EXPECT_EQ(say(needed_subscriptions(app_with({{"s", "b"}, {"t", "c"}, {"s", "a"}}))), "s a,b; t c");
}

TEST(NeededSubscriptions, AreForEveryKeyWhereOneTriggerWantsThat) {
  EXPECT_EQ(say(needed_subscriptions(app_with({{"s", "a"}, {"s", ""}, {"t", "c"}}))), "s *; t c");
}

TEST(NeededSubscriptions, HaveTheMetadataOfTheirStoresFirstTrigger) {
  App app = app_with({{"s", "b"}, {"s", "a"}, {"t", "c"}});
  app.configurations[0].metadata = {{"sentinelKey", "x"}};
  EXPECT_EQ(say(needed_subscriptions(app)), "s a,b sentinelKey=x; t c");
}

TEST(NeededSubscriptions, FitWithTheirMetadata) {
  App app;
  for (int i = 0; i < 8; ++i) {
    ConfigurationTrigger& made = app.configurations.emplace_back();
    made.store = "s";
    made.key = fmt::format("{}{}", i, std::string(199, 'k'));
  }
  app.configurations.front().metadata = {{"m", std::string(255, '%')}};
  EXPECT_EQ(needed_subscriptions(app).size(), 4U) << "two keys beside the metadata";
  app.configurations.front().metadata = {{"m", std::string(511, '%')}};
  EXPECT_EQ(needed_subscriptions(app).size(), 8U) << "one at least";
}

TEST(NeededSubscriptions, FitIntoTheHeadOfARequest) {
  std::vector<std::pair<std::string, std::string>> triggers;
  for (int i = 0; i < 200; ++i) {
    triggers.emplace_back("s", fmt::format("{:03}{}", i, std::string(253, '%')));
  }
  const auto made = needed_subscriptions(app_with(triggers));
  std::size_t keys = 0;
  for (const ConfigurationSubscription& one : made) {
    EXPECT_GE(one.keys.size(), 1U);
    EXPECT_LE(one.keys.size() * 3 * 256, 2000U);
    keys += one.keys.size();
  }
  EXPECT_EQ(keys, 200U);
}

TEST(SubscriptionsNote, IsReadAsItWasLeft) {
  const std::vector<ConfigurationSubscription> left = {
      {"s \"1\"", {"a", "b\\c"}, "id-1"}, {"t", {}, "id-2"}, {"u", {}, "id-3", {{"a", "b"}, {"c", ""}}}};
  EXPECT_EQ(say(noted_subscriptions(metadata_with(subscriptions_note(left)))), say(left));
  EXPECT_EQ(say(noted_subscriptions(metadata_with(subscriptions_note({})))), "") << "one that says that there are none";
}

TEST(SubscriptionsNote, IsNothingWhenItIsNotOurs) {
  for (const std::string metadata :
       {"", "x", "[]", "{}", R"({"extended":7})", R"({"extended":{}})", R"({"extended":{"trilby-configuration":7}})"}) {
    EXPECT_EQ(say(noted_subscriptions(metadata)), "none") << metadata;
  }
  const std::string good = R"({"store":"s","keys":[],"id":"1"})";
  EXPECT_EQ(say(noted_subscriptions(metadata_with("[" + good + "]"))), "s * = 1");
  for (const std::string note :
       {"", "7", "{}", "[7]", "[{}]", R"([{"store":"s","keys":[]}])", R"([{"store":"s","keys":{},"id":"1"}])",
        R"([{"store":"","keys":[],"id":"1"}])", R"([{"store":"s","keys":[7],"id":"1"}])",
        R"([{"store":"s","keys":[],"id":"a\nb"}])", R"([{"store":"s","keys":[],"id":"1","metadata":[]}])",
        R"([{"store":"s","keys":[],"id":"1","metadata":{"a":7}}])"}) {
    EXPECT_EQ(say(noted_subscriptions(metadata_with(note))), "none") << note;
    EXPECT_EQ(say(noted_subscriptions(metadata_with(fmt::format("[{},{}]", good, note)))), "none") << note;
  }
}

TEST(SubscriptionsNote, IsBounded) {
  const auto noted = [](std::size_t subscriptions, std::size_t keys, std::size_t length) {
    const ConfigurationSubscription one{"s", std::vector(keys, std::string("k")), std::string(length, 'x')};
    const auto found = noted_subscriptions(metadata_with(subscriptions_note(std::vector(subscriptions, one))));
    return found ? found->size() : 0;
  };
  EXPECT_EQ(noted(1000, 1, 1), 1000U);
  EXPECT_EQ(noted(1001, 1, 1), 0U);
  EXPECT_EQ(noted(1, 1000, 256), 1U);
  EXPECT_EQ(noted(1, 1001, 1), 0U);
  EXPECT_EQ(noted(1, 1, 257), 0U);
  const auto with = [](std::size_t count, std::size_t name, std::size_t value) {
    ConfigurationSubscription one{"s", {}, "1"};
    for (std::size_t i = 0; i < count; ++i) {
      one.metadata[fmt::format("{:0{}}", i, name)] = std::string(value, 'x');
    }
    return noted_subscriptions(metadata_with(subscriptions_note(std::vector{one}))).has_value();
  };
  EXPECT_TRUE(with(32, 512, 512));
  EXPECT_FALSE(with(33, 2, 1));
  EXPECT_FALSE(with(1, 513, 1));
  EXPECT_FALSE(with(1, 1, 513));
}

TEST(SubscriptionId, IsInTheAnswer) {
  EXPECT_EQ(subscription_id(R"({"id":"a-b"})"), "a-b");
  for (const char* answer : {"", "{}", R"({"id":7})", R"({"id":""})", R"(["id"])", R"({"id":"a\u0000"})"}) {
    EXPECT_FALSE(subscription_id(answer)) << answer;
  }
}

}  // namespace
}  // namespace trilby::app
