#include "app/manifest_triggers.h"

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

constexpr std::string_view kHead =
    "trilby = 1\n[function.f]\nmodule = 'f'\n[function.g]\nmodule = 'g'\n[app.a]\nport = 1\n";

Result<Manifest> parse(const std::string& text) {
  return parse_manifest(std::string(kHead) + text, "t.toml");  // which begins on line 8
}
std::string problems_with(const std::string& text) {
  const auto manifest = parse(text);
  return manifest ? "nothing" : manifest.error().message;
}

TEST(Triggers, ComeOverTheProtocolThatTheAppNames) {
  EXPECT_EQ(parse("")->apps[0].protocol, Protocol::Http);
  EXPECT_EQ(parse("protocol = 'http'\n")->apps[0].protocol, Protocol::Http);
  EXPECT_EQ(parse("protocol = 'grpc'\n")->apps[0].protocol, Protocol::Grpc);
  EXPECT_EQ(problems_with("protocol = 'GRPC'\n"),
            "t.toml:8: app.a.protocol: must be \"http\" (HTTP/1.1 and HTTP/2), \"grpc\", or with TLS \"https\" or "
            "\"grpcs\"");
  const std::string twice =
      "[[app.a.binding]]\nname = 'q'\nfunction = 'f'\n[[app.a.binding]]\nname = 'q'\npath = '/p'\nfunction = 'f'\n";
  EXPECT_EQ(problems_with(twice), "nothing");
  EXPECT_NE(problems_with("protocol = 'grpcs'\ntls = { certificate = 'c', key = 'k' }\n" + twice), "nothing");
  EXPECT_EQ(problems_with("protocol = 'grpc'\n" + twice),
            "t.toml:13: app.a.binding[2].name: another binding has it already, and over gRPC Dapr says nothing but the "
            "name");
}

TEST(Triggers, EveryFieldIsRead) {
  const auto manifest = parse(R"(health = "/up"
[[app.a.topic]]
pubsub = "pubsub"
topic = "orders"
match = 'event.type == "new"'
function = "f"
dead_letter = "lost"
raw = true
bulk = { max_messages = 7, max_wait = "250ms" }
metadata = { consumerID = "x" }
on_bad_input = "retry"
on_failure = "drop"
[[app.a.topic]]
pubsub = "pubsub"
topic = "orders"
function = "g"
path = "/others"
[[app.a.binding]]
name = "cron"
function = "g"
on_failure = "retry"
[[app.a.binding]]
name = "queue"
path = "/from/queue"
function = "g"
[[app.a.job]]
name = "night ly"
function = "f"
[[app.a.configuration]]
store = "config"
key = "limit"
metadata = { sentinelKey = "limits" }
function = "f"
[[app.a.configuration]]
store = "config"
function = "g"
)");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const App& app = manifest->apps.front();
  EXPECT_EQ(app.health, "/up");
  ASSERT_EQ(app.topics.size(), 2U);
  const TopicTrigger& topic = app.topics[0];
  EXPECT_EQ(topic.pubsub, "pubsub");
  EXPECT_EQ(topic.topic, "orders");
  EXPECT_EQ(topic.match, "event.type == \"new\"");
  EXPECT_EQ(topic.path, "/dapr/topic/pubsub/orders/f");
  EXPECT_EQ(topic.dead_letter, "lost");
  EXPECT_EQ(topic.bulk->max_messages, 7U);
  EXPECT_EQ(topic.bulk->max_wait, std::chrono::milliseconds(250));
  EXPECT_EQ(topic.metadata, (std::map<std::string, std::string>{{"consumerID", "x"}, {"rawPayload", "true"}}));
  EXPECT_FALSE(topic.actions.drop_bad_input);
  EXPECT_TRUE(topic.actions.drop_failure);
  EXPECT_EQ(topic.source.line, 9U);
  EXPECT_EQ(app.topics[1].path, "/others");
  EXPECT_TRUE(app.topics[1].actions.drop_bad_input);
  EXPECT_FALSE(app.topics[1].actions.drop_failure);
  ASSERT_EQ(app.bindings.size(), 2U);
  EXPECT_EQ(app.bindings[0].path, "/cron");
  EXPECT_EQ(app.bindings[1].path, "/from/queue");
  EXPECT_EQ(app.jobs.at(0).path, "/job/night ly");
  EXPECT_EQ(app.configurations.at(0).path, "/configuration/config/limit");
  EXPECT_EQ(app.configurations.at(0).metadata, (std::map<std::string, std::string>{{"sentinelKey", "limits"}}));
  EXPECT_EQ(app.configurations.at(1).path, "/configuration/config/*");
  EXPECT_TRUE(app.configurations.at(1).metadata.empty());
}

TEST(Triggers, PathsOfTopicsDifferWhereTheirNamesDo) {
  const auto path = [](const std::string& pubsub, const std::string& topic) {
    return parse("[[app.a.topic]]\npubsub = '" + pubsub + "'\ntopic = '" + topic + "'\nfunction = 'f'\n")
        ->apps[0]
        .topics[0]
        .path;
  };
  EXPECT_EQ(path("p", "a/b c"), "/dapr/topic/p/a.2Fb.20c/f");
  EXPECT_EQ(path("p", "a.2Fb"), "/dapr/topic/p/a.2E2Fb/f");
  EXPECT_EQ(path("p", ".."), "/dapr/topic/p/.2E.2E/f");
}

TEST(Triggers, NeedWhatTheyAreMadeOf) {
  EXPECT_EQ(problems_with("[[app.a.topic]]\nfunction = 'h'\n"),
            "t.toml:8: app.a.topic[1].pubsub: is missing; give the pub/sub component, as in pubsub = \"pubsub\"\n"
            "t.toml:8: app.a.topic[1].topic: is missing; give the topic, as in topic = \"orders\"\n"
            "t.toml:9: app.a.topic[1].function: function \"h\" is not defined; did you mean \"f\"?");
  EXPECT_EQ(problems_with("[[app.a.binding]]\n"),
            "t.toml:8: app.a.binding[1].name: is missing; give the binding component, as in name = \"cron\"\n"
            "t.toml:8: app.a.binding[1].function: is missing; give what is called, as in function = \"hello\"");
  EXPECT_EQ(problems_with("[[app.a.job]]\nname = 'a/b'\nfunction = 'f'\n"),
            "t.toml:9: app.a.job[1].name: a job's name has no '/', '\\', '#' and '?', and is not \".\" or \"..\"");
  EXPECT_EQ(problems_with("[[app.a.configuration]]\nstore = 's'\nkey = 'a*'\nfunction = 'f'\n"),
            "t.toml:10: app.a.configuration[1].key: \"a*\" must not contain '*' or '%'");
  EXPECT_EQ(problems_with("[[app.a.topics]]\n"),
            "t.toml:8: app.a.topics: there is no such field; did you mean \"topic\"?");
  EXPECT_EQ(
      problems_with("[[app.a.job]]\nname = 'a'\nfunction = 'f'\nwhen = '@daily'\n"),
      "t.toml:11: app.a.job[1].when: there is no such field; known: name, schedule, data, function, on_bad_input, "
      "on_failure, output");
}

TEST(Triggers, OfConfigurationHaveMetadataThatFitIntoARequest) {
  const auto problems = [](const std::string& metadata) {
    return problems_with("[[app.a.configuration]]\nstore = 's'\nfunction = 'f'\nmetadata = " + metadata + "\n");
  };
  const std::string name(12, 'n');
  EXPECT_EQ(problems("{ " + name + " = '" + std::string(500, 'x') + "' }"), "nothing");
  EXPECT_EQ(
      problems("{ " + name + " = '" + std::string(501, 'x') + "' }"),
      "t.toml:11: app.a.configuration[1].metadata: is longer than 512 bytes, which the head of a request has room "
      "for");
  EXPECT_EQ(problems(R"({ a = "b\nc" })"),
            "t.toml:11: app.a.configuration[1].metadata: needs names, and has room for printable texts alone");
  EXPECT_EQ(problems("{ '' = 'b' }"),
            "t.toml:11: app.a.configuration[1].metadata: needs names, and has room for printable texts alone");
  EXPECT_EQ(problems("{ a = 7 }"),
            "t.toml:11: app.a.configuration[1].metadata.a: must be a text in quotes, not a number");
}

TEST(Triggers, OfConfigurationSayMetadataOnceForAStore) {
  const std::string trigger = "[[app.a.configuration]]\nstore = 's'\nfunction = 'f'\nkey = '";
  EXPECT_EQ(problems_with(trigger + "a'\nmetadata = { b = 'c' }\n" + trigger + "b'\n"), "nothing");
  EXPECT_EQ(problems_with(trigger + "a'\n" + trigger + "b'\nmetadata = { b = 'c' }\n"),
            "t.toml:16: app.a.configuration[2].metadata: belongs to the store: say it where that comes first, on line "
            "8");
}

TEST(Triggers, MayScheduleTheirJobs) {
  const std::string job = "[[app.a.job]]\nname = 'a'\nfunction = 'f'\n";
  const auto read = [&](const std::string& more) { return parse(job + more).value().apps[0].jobs[0]; };
  EXPECT_EQ(read("").schedule, "");
  EXPECT_EQ(read("schedule = '@every 1m'\n").schedule, "@every 1m");
  EXPECT_EQ(read("schedule = '@every 1m'\n").data, "null") << "for Dapr brings none without any over HTTP";
  EXPECT_EQ(read("schedule = '@daily'\ndata = ' {\"a\": 1} '\n").data, " {\"a\": 1} ");

  EXPECT_EQ(
      problems_with(job + "schedule = 'daily'\n"),
      "t.toml:11: app.a.job[1].schedule: \"daily\" is none of \"@every 1m\", \"@hourly\", \"@daily\", \"@weekly\", "
      "\"@monthly\", \"@yearly\" and six fields, seconds first, as in \"0 30 3 * * *\", of a day that there is");
  EXPECT_EQ(problems_with(job + "schedule = '@daily'\ndata = '{'\n"),
            "t.toml:12: app.a.job[1].data: is no JSON: at byte 1: the text ends too early");
  const std::string too_large =
      "t.toml:12: app.a.job[1].data: has at most 4096 bytes, no list or object nested "
      "deeper than 64 and no number that a double cannot hold";
  EXPECT_EQ(problems_with(job + "schedule = '@daily'\ndata = '\"" + std::string(4095, 'x') + "\"'\n"), too_large);
  EXPECT_EQ(problems_with(job + "schedule = '@daily'\ndata = '{\"a\": [1e-400]}'\n"), too_large);
  EXPECT_EQ(problems_with(job + "schedule = '@daily'\ndata = '" + std::string(66, '[') + std::string(66, ']') + "'\n"),
            too_large);
  EXPECT_EQ(problems_with(job + "data = '1'\n"),
            "t.toml:11: app.a.job[1].data: is given to the scheduler with a schedule, and there is none");
  EXPECT_EQ(problems_with("[[app.a.job]]\nname = 'a b'\nfunction = 'f'\nschedule = '@daily'\n"),
            "t.toml:9: app.a.job[1].name: has 1 to 128 letters, digits and '-._' where Trilby schedules the job");
}

TEST(Triggers, HaveRanges) {
  const std::string topic = "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = 'f'\n";
  EXPECT_EQ(problems_with(topic + "on_failure = 'ignore'\n"),
            "t.toml:12: app.a.topic[1].on_failure: \"ignore\" is none of \"retry\" and \"drop\"; known: retry, drop");
  EXPECT_EQ(problems_with(topic + "bulk = { max_messages = 0, max_wait = '2m' }\n"),
            "t.toml:12: app.a.topic[1].bulk.max_messages: must be between 1 and 1000, not 0\n"
            "t.toml:12: app.a.topic[1].bulk.max_wait: must be between 1ms and 1m, not 2m");
  EXPECT_EQ(problems_with(topic + "match = ''\n"),
            "t.toml:12: app.a.topic[1].match: has 1 to 4096 bytes; without it every event matches");
  EXPECT_EQ(problems_with(topic + "dead_letter = 't'\n"),
            "t.toml:12: app.a.topic[1].dead_letter: is the topic itself, which would bring what fails for ever");
  EXPECT_EQ(problems_with(topic + "raw = true\nmetadata = { rawPayload = 'true' }\n"),
            "t.toml:12: app.a.topic[1].raw: is said in metadata too: take one of them out");
  EXPECT_EQ(problems_with(topic + "path = 'x'\n"), "t.toml:12: app.a.topic[1].path: \"x\" must begin with '/'");
  EXPECT_EQ(problems_with(topic + "path = '/dapr/subscribe'\n"),
            "t.toml:12: app.a.topic[1].path: \"/dapr/subscribe\" begins with /dapr/, which is the app channel's own");
  EXPECT_EQ(problems_with("health = '/%68'\n"), "t.toml:8: app.a.health: \"/%68\" must not contain '*' or '%'");
  EXPECT_EQ(problems_with("[[app.a.topic]]\npubsub = \"p\\n\"\ntopic = 't'\nfunction = 'f'\n"),
            "t.toml:9: app.a.topic[1].pubsub: has at most 256 bytes and no control characters");
}

TEST(Triggers, OfOneTopicAreOneSubscription) {
  const auto topic = [](const std::string& function, const std::string& more) {
    return "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = '" + function + "'\n" + more;
  };
  EXPECT_EQ(problems_with(topic("f", "match = 'true'\n") + topic("g", "")), "nothing");
  EXPECT_EQ(
      problems_with(topic("f", "") + topic("g", "match = 'true'\n")),
      "t.toml:12: app.a.topic[2]: is never reached: the one on line 8 has no match and takes all events of the topic");
  EXPECT_EQ(
      problems_with(topic("f", "match = 'true'\n") + topic("g", "dead_letter = 'd'\n")),
      "t.toml:17: app.a.topic[2].dead_letter: belongs to the subscription: say it where the topic comes first, on line "
      "8");
  EXPECT_EQ(problems_with(topic("f", "match = 'a'\n") + topic("f", "match = 'b'\n")),
            "t.toml:13: app.a.topic[2].path: something else of this app answers at /dapr/topic/p/t/f already");
  EXPECT_EQ(problems_with(topic("f", "match = 'a'\n") + topic("f", "match = 'b'\npath = '/b'\n")), "nothing");
}

TEST(Triggers, ShareNoPathWithAnythingElse) {
  const std::string route = "[[app.a.route]]\npath = '/cron'\nfunction = 'f'\n";
  EXPECT_EQ(
      problems_with(route + "[[app.a.binding]]\nname = 'cron'\nfunction = 'f'\n"),
      "t.toml:12: app.a.binding[1].name: answers at /cron, as does the route on line 8; give one of them another path");
  EXPECT_EQ(problems_with("[[app.a.route]]\nmethod = 'GET'\npath = '/cron'\ntext = ''\n"
                          "[[app.a.route]]\npath = '/*'\nfunction = 'f'\n"
                          "[[app.a.binding]]\nname = 'cron'\nfunction = 'f'\n"),
            "nothing");
  EXPECT_EQ(problems_with("[[app.a.route]]\npath = '/healthz'\ntext = 'ok'\n"),
            "t.toml:6: app.a.health: answers at /healthz, as does the route on line 8; give one of them another path");
  EXPECT_EQ(problems_with("health = '/h'\n[[app.a.route]]\npath = '/healthz'\ntext = 'ok'\n"), "nothing");
  EXPECT_EQ(problems_with("[[app.a.binding]]\nname = 'x'\npath = '/job/j'\nfunction = 'f'\n"
                          "[[app.a.job]]\nname = 'j'\nfunction = 'f'\n"),
            "t.toml:13: app.a.job[1].name: something else of this app answers at /job/j already");
  EXPECT_EQ(
      problems_with("[[app.a.binding]]\nname = 'a b'\nfunction = 'f'\n"),
      "t.toml:9: app.a.binding[1].name: the path \"/a b\" must not contain spaces or control characters; give the "
      "component metadata `route`, and the same here as path");
}

TEST(Triggers, CallNoFunctionThatSetsWhatEventsSay) {
  const std::string job = "[[app.a.job]]\nname = 'j'\nfunction = 'f'\n[function.f.env]\n";
  EXPECT_EQ(
      problems_with(job + "CE_ID = '1'\n"),
      "t.toml:2: function.f: the variable CE_ID of env has a name that events use (CE_*, DAPR_*); give it another");
  EXPECT_EQ(problems_with(job + "CEILING = '1'\n"), "nothing");
  EXPECT_EQ(problems_with("[function.f.env]\nDAPR_X = '1'\n"), "nothing") << "no event calls it";
}

TEST(Triggers, BringAnEventAgainSoOftenWhereThatIsCounted) {
  const std::string topic = "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = 'f'\n";
  EXPECT_EQ(
      problems_with(topic + "max_retries = 3\n"),
      "t.toml:12: app.a.topic[1].max_retries: needs a store in which it is counted; name one, as in [app.a] sidecar "
      "= { retry_store = \"statestore\" }");
  const std::string store = "sidecar = { retry_store = 's' }\n";
  EXPECT_EQ(parse(store + topic).value().apps.front().topics.front().max_retries, 5U);
  EXPECT_EQ(parse(store + topic + "max_retries = 3\n").value().apps.front().topics.front().max_retries, 3U);
  EXPECT_EQ(
      problems_with(store + topic + "raw = true\nmax_retries = 3\n"),
      "t.toml:14: app.a.topic[1].max_retries: cannot be counted for what is raw: it has another id each time it is "
      "brought");
  EXPECT_EQ(problems_with(store + topic + "max_retries = 0\n"),
            "t.toml:13: app.a.topic[1].max_retries: must be between 1 and 1000, not 0");
}

TEST(Actors, EveryFieldIsRead) {
  const auto manifest = parse(R"([[app.a.actor]]
type = "Counter"
function = "f"
idle_timeout = "90s"
drain_timeout = "1500ms"
reentrancy = { max_depth = 8 }
on_deactivate = true
on_bad_input = "retry"
on_failure = "drop"
output = [{ invoke = "a/{DAPR_ACTOR_ID}" }]
[[app.a.actor]]
type = "Other"
function = "f"
[[app.a.actor]]
type = "Re"
function = "g"
reentrancy = {}
)");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const std::vector<ActorTrigger>& actors = manifest->apps.front().actors;
  ASSERT_EQ(actors.size(), 3U);
  EXPECT_EQ(actors[0].type, "Counter");
  EXPECT_EQ(actors[0].path, "/actors/Counter");
  EXPECT_EQ(actors[0].function, "f");
  EXPECT_EQ(actors[0].idle_timeout, std::chrono::seconds(90));
  EXPECT_EQ(actors[0].drain_timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(actors[0].reentrancy, 8U);
  EXPECT_TRUE(actors[0].on_deactivate);
  EXPECT_FALSE(actors[0].actions.drop_bad_input);
  EXPECT_TRUE(actors[0].actions.drop_failure);
  EXPECT_EQ(actors[0].outputs.size(), 1U);
  EXPECT_EQ(describe(actors[0]), "actor Counter");
  EXPECT_FALSE(actors[1].idle_timeout || actors[1].drain_timeout || actors[1].reentrancy || actors[1].on_deactivate);
  EXPECT_EQ(actors[2].reentrancy, 32U) << "as Dapr has it";
  EXPECT_EQ(triggered_functions(manifest->apps.front()), (std::set<std::string_view>{"f", "g"}));
}

TEST(Actors, AreRefusedWithAReason) {
  const std::string actor = "[[app.a.actor]]\ntype = 'C'\nfunction = 'f'\n";
  EXPECT_EQ(problems_with(actor), "nothing");
  EXPECT_EQ(problems_with("[[app.a.actor]]\n"),
            "t.toml:8: app.a.actor[1].type: is missing; give the actors' type, as in type = \"Counter\"\n"
            "t.toml:8: app.a.actor[1].function: is missing; give what is called, as in function = \"hello\"");
  EXPECT_EQ(problems_with(actor + actor),
            "t.toml:12: app.a.actor[2].type: another function of this app is called for it already");
  for (const std::string type : {"a/b", "a b", "..", "caf\u00e9", "a%41"}) {
    EXPECT_EQ(problems_with("[[app.a.actor]]\ntype = '" + type + "'\nfunction = 'f'\n"),
              "t.toml:9: app.a.actor[1].type: has 1 to 128 letters, digits and '-._'")
        << type;
  }
  EXPECT_EQ(problems_with("[[app.a.actor]]\ntype = 'dapr.internal.x'\nfunction = 'f'\n"),
            "t.toml:9: app.a.actor[1].type: begins with dapr.internal., which is Dapr's own");
  EXPECT_EQ(problems_with(actor + "idle_timeout = '10ms'\ndrain_timeout = '2m'\nreentrancy = { max_depth = 257 }\n"),
            "t.toml:11: app.a.actor[1].idle_timeout: must be between 1s and 24h, not 10ms\n"
            "t.toml:12: app.a.actor[1].drain_timeout: must be between 1ms and 1m, not 2m\n"
            "t.toml:13: app.a.actor[1].reentrancy.max_depth: must be between 1 and 256, not 257");
  EXPECT_EQ(problems_with(actor + "reentrancy = { depth = 3 }\n"),
            "t.toml:11: app.a.actor[1].reentrancy.depth: there is no such field; known: max_depth");
  EXPECT_EQ(problems_with(actor + "timeout = '1m'\n"),
            "t.toml:11: app.a.actor[1].timeout: there is no such field; known: type, function, idle_timeout, "
            "drain_timeout, reentrancy, on_deactivate, on_bad_input, on_failure, output");
  EXPECT_EQ(problems_with("protocol = 'grpc'\n" + actor),
            "t.toml:9: app.a.actor[1]: needs [app.a] protocol = \"http\": over gRPC, Dapr calls no actors on an app's "
            "port");
  EXPECT_EQ(
      problems_with(actor + "[function.f.env]\nDAPR_ACTOR_ID = '1'\n"),
      "t.toml:2: function.f: the variable DAPR_ACTOR_ID of env has a name that events use (CE_*, DAPR_*); give it "
      "another");
}

}  // namespace
}  // namespace trilby::app
