#include "app/manifest_outputs.h"

#include <gtest/gtest.h>

#include "app/manifest_settings.h"

namespace trilby::app {
namespace {

constexpr std::string_view kHead =
    "trilby = 1\n[function.f]\nmodule = 'f'\n[app.b]\nport = 2\n[app.a]\nport = 1\nsidecar = {}\n";

Result<Manifest> parse(const std::string& text, std::string_view head = kHead) {
  return parse_manifest(std::string(head) + text, "t.toml");
}
std::string problems_with(const std::string& text, std::string_view head = kHead) {
  const auto manifest = parse(text, head);
  return manifest ? "nothing" : manifest.error().message;
}
/// Problems with one output of a topic, which stands on line 14.
std::string problems_of(const std::string& output) {
  const std::string problems = problems_with(
      "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = 'f'\n[[app.a.topic.output]]\n" + output + "\n");
  constexpr std::string_view kWhere = "app.a.topic[1].output[1]";
  const std::size_t at = problems.find(kWhere);
  return at == std::string::npos ? problems : problems.substr(at + kWhere.size());
}

TEST(Outputs, AreRead) {
  const auto manifest = parse(R"(
[[app.a.route]]
path = "/"
function = "f"
output = [{ publish = "p/t" }, { invoke = "b/x" }, { invoke = "elsewhere.prod/y" }]
[[app.a.topic]]
pubsub = "p"
topic = "t"
function = "f"
[[app.a.topic.output]]
publish = "p/a/b"
raw = true
metadata = { ttlInSeconds = "60" }
[[app.a.topic.output]]
publish = "p/c"
attributes = { id = "{CE_ID}-c", subject = "{CE_SUBJECT}" }
[[app.a.topic.output]]
state = "s"
key = "order-{CE_ID}"
[[app.a.binding]]
name = "in"
function = "f"
output = [{ binding = "out", operation = "create", metadata = { name = "{DAPR_METADATA_NAME}" } }]
[[app.a.job]]
name = "j"
function = "f"
output = [{ state = "s", key = "{DAPR_JOB}-{REQUEST_ID}" }]
[[app.a.configuration]]
store = "c"
function = "f"
output = [{ state = "s", key = "{DAPR_CONFIGURATION_KEY}" }]
)");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const App& app = manifest->apps[1];
  ASSERT_EQ(app.routes[0].outputs.size(), 3U);
  EXPECT_EQ(std::get<InvokeTarget>(app.routes[0].outputs[2].what).app, "elsewhere.prod");
  ASSERT_EQ(app.topics[0].outputs.size(), 3U);
  const auto& raw = std::get<PublishOutput>(app.topics[0].outputs[0].what);
  EXPECT_EQ(raw.pubsub, "p");
  EXPECT_EQ(raw.topic, "a/b");
  EXPECT_TRUE(raw.raw);
  EXPECT_EQ(raw.metadata.at("ttlInSeconds"), "60");
  EXPECT_EQ(std::get<PublishOutput>(app.topics[0].outputs[1].what).attributes.at("id"), "{CE_ID}-c");
  EXPECT_EQ(std::get<StateOutput>(app.topics[0].outputs[2].what).key, "order-{CE_ID}");
  EXPECT_EQ(std::get<BindingOutput>(app.bindings[0].outputs[0].what).operation, "create");
  EXPECT_EQ(app.jobs[0].outputs.size(), 1U);
  EXPECT_EQ(app.configurations[0].outputs.size(), 1U);
  std::string shown;
  for (const Setting& setting : settings_in_force(*manifest)) {
    if (setting.name == "app.a.topic[1]") {
      shown = setting.value;
    }
  }
  EXPECT_EQ(shown, "topic p/t at /dapr/topic/p/t/f -> function f => publish p/a/b, publish p/c, state s");
}

TEST(Outputs, LeadSomewhereAndToOnePlace) {
  EXPECT_EQ(problems_of("key = 'x'"),
            ": leads nowhere; give it one of: publish, state, binding, invoke\n"
            "t.toml:14: app.a.topic[1].output[1].key: there is no such field; known: "
            "publish, state, binding, invoke");
  EXPECT_EQ(problems_of("publish = 'p/x'\nstate = 's'\nkey = 'k'"),
            ".state: is one output too many; make an [[output]] of each: publish, state");
  EXPECT_EQ(problems_of("publish = ''"), ".publish: is empty");
  EXPECT_EQ(problems_of("publish = 'p'"), ".publish: \"p\" is not PUBSUB/TOPIC, as in \"pubsub/orders\"");
  EXPECT_EQ(problems_of("publish = '/t'"), ".publish: \"/t\" is not PUBSUB/TOPIC, as in \"pubsub/orders\"");
  EXPECT_EQ(problems_of("publish = 'p/../state'"),
            ".publish: its topic \"../state\" must not contain '.' or '..' as a segment");
  EXPECT_EQ(problems_of("publish = 'p/x'\nraw = true\nattributes = { id = 'x' }"),
            ".attributes: are of a CloudEvent, and raw = true makes none");
  EXPECT_EQ(problems_of("state = 's'"), ".key: is missing; give what to save under, as in key = \"order-{CE_ID}\"");
  EXPECT_EQ(problems_of("state = 's'\nkey = 'a||b'"),
            ".key: must not contain \"||\", with which Dapr separates the app-id from a key");
  EXPECT_EQ(problems_of("binding = 'b'"),
            ".operation: is missing; give what the component is to do, as in operation = \"create\"");
  EXPECT_EQ(problems_of("binding = 'b'\noperation = 'o'\nraw = true"),
            ".raw: there is no such field; known: binding, operation, metadata");
  EXPECT_EQ(problems_of("invoke = 'a b/x'"), ".invoke: \"a b\" is no app-id; write it as in \"billing/charge\"");
  EXPECT_EQ(problems_of("invoke = 'b/../x'"), ".invoke: its path \"/../x\" must not contain '.' or '..' as a segment");
}

TEST(Outputs, NameOnlyWhatTheEventSays) {
  EXPECT_EQ(problems_of("state = 's'\nkey = '{DAPR_JOB}'"),
            ".key: nothing says {DAPR_JOB} here; known are: CE_ and the name of an attribute, REQUEST_ID");
  EXPECT_EQ(problems_of("state = 's'\nkey = '{CE_}'"),
            ".key: nothing says {CE_} here; known are: CE_ and the name of an attribute, REQUEST_ID");
  EXPECT_EQ(problems_of("publish = 'p/x'\nmetadata = { k = '{HOME}' }"),
            ".metadata.k: nothing says {HOME} here; known are: CE_ and the name of an attribute, REQUEST_ID");
  EXPECT_EQ(problems_of("state = 's'\nkey = 'x{'"),
            ".key: \"x{\" has a brace that belongs to no name; write names as in {CE_ID}, and a brace itself twice");
  EXPECT_EQ(problems_with("[[app.a.route]]\npath = '/'\nfunction = 'f'\noutput = [{ state = 's', key = '{CE_ID}' }]"),
            "t.toml:12: app.a.route[1].output[1].key: nothing says {CE_ID} here; known are: REQUEST_ID");
}

TEST(Outputs, AreOfFunctions) {
  EXPECT_EQ(problems_with("[[app.a.route]]\npath = '/'\ntext = 'x'\noutput = [{ publish = 'p/t' }]"),
            "t.toml:12: app.a.route[1].output: is for what a function returned; this route leads to none");
}

TEST(Outputs, DoNotGoRoundForEver) {
  const std::string topic =
      "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = 'f'\noutput = [{ publish = 'p/t' }]\n";
  EXPECT_EQ(
      problems_with(topic),
      "t.toml:13: app.a.topic[1].output: publishes to the trigger's own topic, which would go round for ever; give "
      "the trigger a match that its own events do not meet");
  EXPECT_EQ(problems_with(topic + "match = 'event.type == \"new\"'"), "nothing");
}

TEST(Outputs, NeedTheSidecarOfTheirApp) {
  constexpr std::string_view kBare = "trilby = 1\n[function.f]\nmodule = 'f'\n[app.b]\nport = 2\n[app.a]\nport = 1\n";
  const auto problems = [&](const std::string& output) {
    return problems_with("[[app.a.route]]\npath = '/'\nfunction = 'f'\noutput = [{ " + output + " }]", kBare);
  };
  EXPECT_EQ(
      problems("publish = 'p/t'"),
      "t.toml:11: app.a.route[1].output[1].publish: needs the app's sidecar; say where it is, as in [app.a] sidecar "
      "= { http = 3500 }");
  EXPECT_EQ(problems("invoke = 'b/x'"), "nothing") << "it is in this process";
  EXPECT_EQ(problems("invoke = 'c/x'"),
            "t.toml:11: app.a.route[1].output[1].invoke: app \"c\" is not defined; did you mean \"b\"?");
}

TEST(Outputs, AreNotTooMany) {
  std::string outputs;
  for (int i = 0; i < 9; ++i) {
    outputs += "{ publish = 'p/x' },";
  }
  EXPECT_EQ(problems_with("[[app.a.route]]\npath = '/'\nfunction = 'f'\noutput = [" + outputs + "]"),
            "t.toml:12: app.a.route[1].output: has 9 entries; the most is 8");
}

TEST(Routes, ReachAppsElsewhereThroughTheSidecar) {
  EXPECT_EQ(problems_with("[[app.a.route]]\npath = '/'\ninvoke = 'far/away'"), "nothing");
  EXPECT_EQ(problems_with("[[app.b.route]]\npath = '/'\ninvoke = 'far/away'"),
            "t.toml:11: app.b.route[1].invoke: app \"far\" is not defined; known: b, a");
}

}  // namespace
}  // namespace trilby::app
