#include "app/manifest.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

using namespace trilby::literals;
using namespace std::chrono_literals;

constexpr std::string_view kWhole = R"(trilby = 1

[admin]
listen = "[::1]:9000"

[app.web]
port = 8080
public = "0.0.0.0:80"
[[app.web.route]]
path = "/"
files = "web/index.html"
[[app.web.route]]
method = "POST"
path = "/api/*"
header = { Api = "go" }
invoke = "images/api/image"
[[app.web.route]]
path = "/about"
text = ""

[app.images]
port = 0
[[app.images.route]]
path = "/api/image"
function = "grayscale"
cors = "https://example.com"

[function.grayscale]
module = "functions/grayscale.wasm"
content_type = "sniff"
build = { command = "make grayscale", workdir = "functions" }
[function.grayscale.limits]
memory = "128MiB"
cpu = "5s"
wall = "1m"
request_body = "1MiB"
response_body = "2MiB"
stderr = "1KiB"
concurrency = 2
queue = 0
queue_wait = "0s"
[function.grayscale.allow]
models = ["food"]

[model.food]
path = "/models/food.xml"
threads = 2
)";

/// What is wrong with `text`.
std::string problems(std::string_view text) {
  const auto manifest = parse_manifest(text, "t.toml");
  return manifest ? "nothing" : manifest.error().message;
}

/// The same for a manifest that is right but for `text`, whose first line is line 2.
std::string problems_with(std::string_view text) {
  return problems("trilby = 1\n" + std::string(text));
}

TEST(Manifest, EveryFieldIsRead) {
  const auto manifest = parse_manifest(kWhole, "/s/trilby.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->path, "/s/trilby.toml");
  EXPECT_EQ(format(manifest->admin), "[::1]:9000");
  ASSERT_EQ(manifest->apps.size(), 2U);

  const App& web = manifest->apps[0];
  EXPECT_EQ(web.id, "web");
  EXPECT_EQ(web.port, 8080);
  EXPECT_EQ(format(web.public_address.value()), "0.0.0.0:80");
  EXPECT_EQ(web.source.line, 6U);
  ASSERT_EQ(web.routes.size(), 3U);
  EXPECT_EQ(web.routes[0].method, "");
  EXPECT_EQ(std::get<FilesTarget>(web.routes[0].target).root, "/s/web/index.html");
  EXPECT_EQ(web.routes[1].method, "POST");
  EXPECT_EQ(web.routes[1].path, "/api/*");
  EXPECT_EQ(web.routes[1].headers, (std::vector<std::pair<std::string, std::string>>{{"api", "go"}}));
  EXPECT_EQ(std::get<InvokeTarget>(web.routes[1].target).app, "images");
  EXPECT_EQ(std::get<InvokeTarget>(web.routes[1].target).path, "/api/image");
  EXPECT_EQ(web.routes[1].source.line, 12U);
  EXPECT_EQ(std::get<TextTarget>(web.routes[2].target).text, "");
  EXPECT_EQ(std::get<FunctionTarget>(manifest->apps[1].routes[0].target).function, "grayscale");
  EXPECT_EQ(manifest->apps[1].routes[0].cors, "https://example.com");

  const Function& function = manifest->functions.at(0);
  EXPECT_EQ(function.module, "/s/functions/grayscale.wasm");
  EXPECT_EQ(function.content_type, "sniff");
  EXPECT_EQ(function.build.value().command, "make grayscale");
  EXPECT_EQ(function.build.value().workdir, "/s/functions");
  const policy::Limits& limits = function.policy.limits;
  EXPECT_EQ(limits.memory, 128_MiB);
  EXPECT_EQ(limits.cpu, 5s);
  EXPECT_EQ(limits.wall, 1min);
  EXPECT_EQ(limits.request_body, 1_MiB);
  EXPECT_EQ(limits.response_body, 2_MiB);
  EXPECT_EQ(limits.stderr_output, 1_KiB);
  EXPECT_EQ(limits.concurrency, 2U);
  EXPECT_EQ(limits.queue, 0U);
  EXPECT_EQ(limits.queue_wait, 0s);
  EXPECT_TRUE(policy::may_use_model(function.policy.grants, "food"));
  EXPECT_EQ(manifest->models.at(0).path, "/models/food.xml");
  EXPECT_EQ(manifest->models.at(0).threads, 2U);
}

TEST(Manifest, ServerSaysHowHttpIsServed) {
  const auto manifest = parse_manifest(
      "trilby = 1\n[server]\nhead_timeout = '1s'\nbody_idle = '2s'\nbody_rate = '3B'\nkeep_alive = '4s'\nh2c_upgrade = "
      "true\n"
      "request_bodies = '5MiB'\nresponse_bodies = '6MiB'\n",
      "t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const Server& server = manifest->server;
  EXPECT_EQ(server.limits.head_timeout, 1s);
  EXPECT_EQ(server.limits.body_idle, 2s);
  EXPECT_EQ(server.limits.body_rate, Bytes{3});
  EXPECT_EQ(server.limits.keep_alive, 4s);
  EXPECT_TRUE(server.limits.h2c_upgrade);
  EXPECT_FALSE(http::ServerLimits().h2c_upgrade);
  EXPECT_EQ(server.request_bodies, 5_MiB);
  EXPECT_EQ(server.response_bodies, 6_MiB);
}

TEST(Manifest, ServerSettingsHaveRanges) {
  EXPECT_EQ(problems_with("[server]\nhead_timeout = '1ms'\n"),
            "t.toml:3: server.head_timeout: must be between 100ms and 10m, not 1ms");
  EXPECT_EQ(problems_with("[server]\nbody_rate = '0B'\n"),
            "t.toml:3: server.body_rate: must be between 1B and 1MiB, not 0B");
  EXPECT_EQ(problems_with("[server]\nrequest_bodies = '1TiB'\n"),
            "t.toml:3: server.request_bodies: \"1TiB\" has no known unit; sizes are in B, KiB, MiB or GiB, as in "
            "\"64MiB\"");
  EXPECT_EQ(problems_with("[server]\nkeepalive = '1s'\n"),
            "t.toml:3: server.keepalive: there is no such field; did you mean \"keep_alive\"?");
}

TEST(Manifest, ABodyThatAFunctionMayTakeMustHaveRoom) {
  EXPECT_EQ(problems_with("[function.f]\nmodule = 'f'\nlimits.request_body = '1GiB'\n"),
            "t.toml:2: function.f.limits.request_body: 1GiB needs twice as much of server.request_bodies, which is "
            "512MiB; raise that, or lower this");
  EXPECT_EQ(problems_with("[function.f]\nmodule = 'f'\n[server]\nresponse_bodies = '64MiB'\n"),
            "t.toml:2: function.f.limits.response_body: 64MiB needs twice as much of server.response_bodies, which is "
            "64MiB; raise that, or lower this");
  EXPECT_EQ(problems_with("[function.f]\nmodule = 'f'\nlimits.request_body = '1GiB'\n"
                          "[server]\nrequest_bodies = '2GiB'\n"),
            "nothing");
}

TEST(Manifest, WhatItLeavesOutHasTheDefault) {
  const auto manifest =
      parse_manifest("trilby = 1\n[function.f]\nmodule = 'f.wasm'\n[function.f.limits]\ncpu = '2s'\n", "t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(format(manifest->admin), "127.0.0.1:9464");
  EXPECT_EQ(manifest->functions[0].policy.limits.memory, policy::Limits{}.memory);
  EXPECT_EQ(manifest->functions[0].content_type, "application/octet-stream");
  EXPECT_TRUE(manifest->functions[0].policy.grants.models.empty());
  EXPECT_FALSE(manifest->functions[0].build);
  EXPECT_EQ(manifest->origins.at("function.f.limits.cpu").source.line, 5U);
  EXPECT_EQ(manifest->origins.at("function.f.limits.cpu").origin, Origin::Manifest);
  EXPECT_FALSE(manifest->origins.contains("function.f.limits.memory"));
}

TEST(Manifest, SaysHowFarTheWorkerLocksItselfDown) {
  const auto lockdown = [](const std::string& value) {
    return parse_manifest("trilby = 1\n[worker]\nlockdown = '" + value + "'\n", "t.toml").value().worker.lockdown;
  };
  EXPECT_EQ(parse_manifest("trilby = 1\n", "t.toml")->worker.lockdown, WorkerSettings::Lockdown::Auto);
  EXPECT_EQ(lockdown("auto"), WorkerSettings::Lockdown::Auto);
  EXPECT_EQ(lockdown("required"), WorkerSettings::Lockdown::Required);
  EXPECT_EQ(lockdown("off"), WorkerSettings::Lockdown::Off);
  EXPECT_EQ(
      problems_with("[worker]\nlockdown = 'maybe'\n"),
      "t.toml:3: worker.lockdown: must be \"auto\" (what the kernel has), \"required\" (all of it, or no start) or "
      "\"off\"");
  EXPECT_EQ(problems_with("[worker]\nlockdwn = 'off'\n"),
            "t.toml:3: worker.lockdwn: there is no such field; did you mean \"lockdown\"?");
}

TEST(Manifest, SaysHowTheKernelTakesItsLoops) {
  using Scheduling = WorkerSettings::Scheduling;
  const auto scheduling = [](const std::string& value) {
    return parse_manifest("trilby = 1\n[worker]\nscheduling = '" + value + "'\n", "t.toml").value().worker.scheduling;
  };
  EXPECT_EQ(parse_manifest("trilby = 1\n", "t.toml")->worker.scheduling, Scheduling::Auto);
  EXPECT_EQ(scheduling("auto"), Scheduling::Auto);
  EXPECT_EQ(scheduling("batch"), Scheduling::Batch);
  EXPECT_EQ(scheduling("normal"), Scheduling::Normal);
  EXPECT_EQ(problems_with("[worker]\nscheduling = 'idle'\n"),
            "t.toml:3: worker.scheduling: must be \"auto\" (\"batch\" where nothing but a sidecar computes beside the "
            "loops), \"batch\" or \"normal\"");
}

TEST(Manifest, SaysWhichRequestsLeaveALine) {
  using Lines = AccessLogSettings::Lines;
  EXPECT_EQ(parse_manifest("trilby = 1\n", "t.toml")->access_log.lines, Lines::Sampled);
  const auto manifest =
      parse_manifest("trilby = 1\n[access_log]\nlines = 'all'\nfull_rate = 7\none_in = 9\n", "t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->access_log.lines, Lines::All);
  EXPECT_EQ(manifest->access_log.full_rate, 7U);
  EXPECT_EQ(manifest->access_log.one_in, 9U);
  EXPECT_EQ(problems_with("[access_log]\nlines = 'some'\n"),
            "t.toml:3: access_log.lines: must be \"sampled\", \"all\" or \"none\"");
  EXPECT_NE(problems_with("[access_log]\nfull_rate = 0\n"), "nothing");
  EXPECT_NE(problems_with("[access_log]\none_in = 1\n"), "nothing");
}

TEST(Manifest, RelativePathsBeginAtTheManifest) {
  const auto manifest = parse_manifest("trilby = 1\n[model.m]\npath = '../m.xml'\n", "sub/t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->models[0].path, std::filesystem::current_path() / "m.xml");
}

TEST(Manifest, VersionIsAskedForFirst) {
  EXPECT_EQ(problems(""), "t.toml:1: trilby: is missing; begin the file with trilby = 1");
  EXPECT_EQ(problems("\ntrilby = 2"),
            "t.toml:2: trilby: manifests of version 2 are not known to this program; it reads version 1");
  EXPECT_EQ(problems("trilby = '1'"), "t.toml:1: trilby: must be a whole number, not a text");
}

TEST(Manifest, SyntaxErrorNamesTheLine) {
  EXPECT_EQ(problems("trilby = 1\n[admin\n").substr(0, 10), "t.toml:2: ");
  EXPECT_EQ(problems("trilby = 1\ntrilby = 1\n").substr(0, 10), "t.toml:2: ");
  EXPECT_EQ(problems("trilby = 1\nx = \"\xff\"\n").substr(0, 10), "t.toml:2: ");
}

TEST(Manifest, UnknownFieldsAreErrorsWithTheNextBestName) {
  EXPECT_EQ(problems_with("[function.f]\nmodule = 'f.wasm'\n[function.f.limits]\nmemmory = '1MiB'\n"),
            "t.toml:5: function.f.limits.memmory: there is no such field; did you mean \"memory\"?");
  EXPECT_EQ(problems_with("[functions.f]\nmodule = 'f.wasm'\n"),
            "t.toml:2: functions: there is no such field; did you mean \"function\"?");
  EXPECT_EQ(problems_with("[model.m]\npath = 'm.xml'\nflavour = 'sweet'\n"),
            "t.toml:4: model.m.flavour: there is no such field; known: path, threads");
}

TEST(Manifest, WrongTypesAreNamed) {
  EXPECT_EQ(problems_with("[app.a]\nport = '8080'\n"), "t.toml:3: app.a.port: must be a whole number, not a text");
  EXPECT_EQ(problems_with("[app.a]\nport = 80.5\n"),
            "t.toml:3: app.a.port: must be a whole number, not a number with a point");
  EXPECT_EQ(problems_with("[function.f]\nmodule = true\n"),
            "t.toml:3: function.f.module: must be a text in quotes, not true or false");
  EXPECT_EQ(problems_with("app = 3\n"), "t.toml:2: app: must be tables, as in [app.NAME], not a number");
  EXPECT_EQ(problems_with("[app]\nport = 1\n"), "t.toml:3: app.port: must be a table, as in [app.NAME], not a number");
  EXPECT_EQ(problems_with("[app.a]\nport = 1\nroute = ['/']\n"),
            "t.toml:4: app.a.route[1]: must be a table, as in [[app.a.route]], not a text");
  EXPECT_EQ(problems_with("[admin]\nlisten = 2020-01-01\n"),
            "t.toml:3: admin.listen: must be a text in quotes, not a date or time");
  EXPECT_EQ(problems_with("[function.f]\nmodule = 'f'\n[function.f.allow]\nmodels = 'food'\n"),
            "t.toml:5: function.f.allow.models: must be a list in brackets, not a text");
  EXPECT_EQ(problems_with("[function.f]\nmodule = 'f'\n[function.f.allow]\nmodels = [1]\n"),
            "t.toml:5: function.f.allow.models: must be a list of names in quotes, as in [\"food\"]");
}

TEST(Manifest, MissingFieldsSayWhatBelongsThere) {
  EXPECT_EQ(problems_with("[app.a]\n"),
            "t.toml:2: app.a.port: is missing; give the app channel's port, as in port = 8080");
  EXPECT_EQ(problems_with("[function.f]\n"),
            "t.toml:2: function.f.module: is missing; give the WebAssembly file, as in module = \"hello.wasm\"");
  EXPECT_EQ(problems_with("[function.f]\nmodule = ''\n"),
            "t.toml:3: function.f.module: is empty; give the WebAssembly file, as in module = \"hello.wasm\"");
  EXPECT_EQ(problems_with("[model.m]\n"),
            "t.toml:2: model.m.path: is missing; give the model's file, as in path = \"models/food.xml\"");
}

TEST(Manifest, NumbersOutOfRangeAreRefused) {
  EXPECT_EQ(problems_with("[app.a]\nport = 65536\n"), "t.toml:3: app.a.port: must be between 0 and 65535, not 65536");
  EXPECT_EQ(problems_with("[model.m]\npath = 'm'\nthreads = 0\n"),
            "t.toml:4: model.m.threads: must be between 1 and 64, not 0");
  const auto limit = [](const std::string& line) {
    return problems_with("[function.f]\nmodule = 'f'\n[function.f.limits]\n" + line);
  };
  EXPECT_EQ(limit("memory = '2GiB'"),
            "t.toml:5: function.f.limits.memory: memory must be between 64KiB and 1GiB, not 2GiB");
  EXPECT_EQ(limit("cpu = '0s'"), "t.toml:5: function.f.limits.cpu: cpu must be between 1ms and 10m, not 0s");
  EXPECT_EQ(limit("concurrency = 0"),
            "t.toml:5: function.f.limits.concurrency: concurrency must be between 1 and 1000, not 0");
  EXPECT_EQ(limit("memory = 64"), "t.toml:5: function.f.limits.memory: must be a text in quotes, not a number");
  EXPECT_EQ(limit("memory = '64MB'"),
            "t.toml:5: function.f.limits.memory: \"64MB\" has no known unit; sizes are in B, KiB, MiB or GiB, as in "
            "\"64MiB\"");
  EXPECT_EQ(
      limit("wall = '10'"),
      "t.toml:5: function.f.limits.wall: \"10\" has no known unit; durations are in us, ms, s, m or h, as in \"10s\"");
}

TEST(Manifest, ReadsEveryLimit) {
  const auto manifest = parse_manifest(
      "trilby = 1\n[function.f]\nmodule = 'f'\n[function.f.limits]\ntable_elements = 7\nstack = '1MiB'\n"
      "log_line_length = '100B'\nlog_lines_per_second = 8\nhandles = 9\nhost_calls_per_second = 10\n"
      "[app.a]\nport = 1\n[app.a.limits]\nconcurrency = 11\nqueue = 12\nqueue_wait = '13ms'\n",
      "t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const policy::Limits& limits = manifest->functions[0].policy.limits;
  EXPECT_EQ(limits.table_elements, 7U);
  EXPECT_EQ(limits.stack, 1_MiB);
  EXPECT_EQ(limits.log_line_length, Bytes{100});
  EXPECT_EQ(limits.log_lines_per_second, 8U);
  EXPECT_EQ(limits.handles, 9U);
  EXPECT_EQ(limits.host_calls_per_second, 10U);
  EXPECT_EQ(manifest->apps[0].limits.concurrency, 11U);
  EXPECT_EQ(manifest->apps[0].limits.queue, 12U);
  EXPECT_EQ(manifest->apps[0].limits.queue_wait, 13ms);
  EXPECT_EQ(manifest->origins.at("app.a.limits.queue").source.line, 15U);
}

TEST(Manifest, RefusesAnAppsLimitsThatCannotBe) {
  const auto limit = [](const std::string& line) {
    return problems_with("[app.a]\nport = 1\n[app.a.limits]\n" + line);
  };
  EXPECT_EQ(limit("concurrency = 4001"),
            "t.toml:5: app.a.limits.concurrency: concurrency must be between 1 and 4000, not 4001");
  EXPECT_EQ(limit("queue = -1"), "t.toml:5: app.a.limits.queue: must be between 0 and 4294967295, not -1");
  EXPECT_EQ(limit("memory = '1MiB'"),
            "t.toml:5: app.a.limits.memory: there is no such field; known: concurrency, "
            "queue, queue_wait");
}

TEST(Manifest, AllowsAHandfulOfStackSizes) {
  std::string text;
  for (const char* size : {"64KiB", "128KiB", "256KiB", "1MiB", "64KiB"}) {
    text += fmt::format("[function.f{}]\nmodule = 'f'\n[function.f{}.limits]\nstack = '{}'\n", text.size(), text.size(),
                        size);
  }
  EXPECT_TRUE(parse_manifest("trilby = 1\n" + text, "t.toml"));
  EXPECT_EQ(
      problems_with(text + "[function.more]\nmodule = 'f'\n[function.more.limits]\nstack = '2MiB'\n"),
      "t.toml:25: function.more.limits.stack: 2MiB would be one more size than the 4 that a system may have; use one "
      "of 64KiB, 128KiB, 256KiB, 1MiB");
  EXPECT_EQ(
      problems_with(text + "[function.plain]\nmodule = 'f'\n"),
      "t.toml:22: function.plain.limits.stack: 512KiB would be one more size than the 4 that a system may have; use "
      "one of 64KiB, 128KiB, 256KiB, 1MiB");
}

TEST(Manifest, UndefinedNamesAreRefused) {
  const std::string_view app = "[app.a]\nport = 1\n[[app.a.route]]\npath = '/'\n";
  EXPECT_EQ(problems_with(std::string(app) + "function = 'grayscal'\n[function.grayscale]\nmodule = 'g'\n"),
            "t.toml:6: app.a.route[1].function: function \"grayscal\" is not defined; did you mean \"grayscale\"?");
  EXPECT_EQ(problems_with(std::string(app) + "function = 'hello'\n"),
            "t.toml:6: app.a.route[1].function: function \"hello\" is not defined; define it with [function.hello]");
  EXPECT_EQ(problems_with(std::string(app) + "invoke = 'thing/x'\n[app.other]\nport = 2\n"),
            "t.toml:6: app.a.route[1].invoke: app \"thing\" is not defined; known: a, other");
  EXPECT_EQ(
      problems_with("[function.f]\nmodule = 'f'\n[function.f.allow]\nmodels = ['fod']\n[model.food]\npath = 'f'\n"),
      "t.toml:5: function.f.allow.models: model \"fod\" is not defined; did you mean \"food\"?");
}

TEST(Manifest, TwoListenersNeverShareAnAddress) {
  EXPECT_EQ(problems_with("[app.a]\nport = 80\n[app.b]\nport = 80\n"),
            "t.toml:5: app.b.port: port 80 is taken by app.a.port (line 3); give each its own");
  EXPECT_EQ(problems_with("[app.a]\nport = 80\npublic = '0.0.0.0:80'\n"),
            "t.toml:4: app.a.public: port 80 is taken by app.a.port (line 3); give each its own");
  EXPECT_EQ(problems_with("[app.a]\nport = 9464\n"),
            "t.toml:3: app.a.port: port 9464 is taken by admin.listen (its default); give each its own");
  EXPECT_EQ(problems_with("[app.a]\nport = 80\npublic = '[::]:80'\n"), "nothing");
  EXPECT_EQ(problems_with("[app.a]\nport = 80\npublic = '10.0.0.1:80'\n[app.b]\nport = 0\n[app.c]\nport = 0\n"),
            "nothing");
}

TEST(Manifest, AddressesAreNumbersAndNotNames) {
  const std::string_view hint = " is no address; write an IP address and a port, as in \"127.0.0.1:8080\"";
  for (const std::string text : {"localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:80",
                                 ":80", "[127.0.0.1]:80", ""}) {
    EXPECT_EQ(problems_with("[admin]\nlisten = '" + text + "'\n"),
              "t.toml:3: admin.listen: \"" + text + "\"" + std::string(hint));
  }
}

TEST(Manifest, AppIdsFollowDapr) {
  for (const std::string id : {"Web", "web_app", "-web", "web-"}) {
    EXPECT_NE(problems_with("[app.\"" + id + "\"]\nport = 1\n").find("t.toml:2: app." + id + ": "), std::string::npos)
        << id;
  }
  EXPECT_NE(problems_with("[app.\"a.b\"]\nport = 1\n"), "nothing");
  EXPECT_NE(problems_with("[app.\"\"]\nport = 1\n"), "nothing");
  EXPECT_EQ(
      problems_with("[app." + std::string(59, 'a') + "]\nport = 1\n"),
      "t.toml:2: app." + std::string(59, 'a') +
          ": an app-id has 1 to 58 lower-case letters, digits and '-', and begins and ends with a letter or digit");
  EXPECT_EQ(problems_with("[app." + std::string(58, 'a') + "]\nport = 1\n"), "nothing");
}

TEST(Manifest, NamesArePlain) {
  for (const std::string name : {"a b", "../x", "", "_x", "é"}) {
    EXPECT_NE(problems_with("[function.\"" + name + "\"]\nmodule = 'f'\n").find("a name has 1 to 63 letters"),
              std::string::npos)
        << name;
  }
}

std::string route_problem(const std::string& fields) {
  const std::string prefix = "t.toml:4: app.a.route[1]";
  std::string found = problems_with("[app.a]\nport = 1\nroute = [{" + fields + "}]\n");
  return found.starts_with(prefix) ? found.substr(prefix.size()) : found;
}

TEST(ManifestRoute, PathIsWhatARequestCanHave) {
  EXPECT_EQ(route_problem("text = 'x'"), ".path: is missing; give what it answers, as in path = \"/api/*\"");
  EXPECT_EQ(route_problem("text = 'x', path = 'api'"), ".path: \"api\" must begin with '/'");
  EXPECT_EQ(route_problem("text = 'x', path = '*'"), ".path: \"*\" must begin with '/'");
  for (const std::string path : {"/a*", "/*/a", "/a/*/*", "/**"}) {
    EXPECT_EQ(route_problem("text = 'x', path = '" + path + "'"),
              ".path: \"" + path + "\" has a '*' that is not at the end after a '/', as in \"/static/*\"");
  }
  EXPECT_EQ(route_problem("text = 'x', path = '/a?b=c'"),
            ".path: \"/a?b=c\" must not contain '?', '#' or '\\'; a route sees the path alone");
  EXPECT_EQ(route_problem("text = 'x', path = '/a//b'"), ".path: \"/a//b\" must not contain '//'");
  EXPECT_EQ(route_problem("text = 'x', path = '/a/..'"), ".path: \"/a/..\" must not contain '.' or '..' as a segment");
  EXPECT_EQ(route_problem("text = 'x', path = '/a b'"),
            ".path: \"/a b\" must not contain spaces or control characters");
  for (const std::string path : {"/", "/*", "/a/", "/a.b/..c", "/é"}) {
    EXPECT_EQ(route_problem("text = 'x', path = '" + path + "'"), "nothing");
  }
}

TEST(ManifestRoute, MethodIsOneOfHttps) {
  EXPECT_EQ(route_problem("text = 'x', path = '/', method = 'post'"),
            ".method: \"post\" is no method; did you mean \"POST\"?");
  EXPECT_EQ(route_problem("text = 'x', path = '/', method = 'CONNECT'"),
            ".method: \"CONNECT\" is no method; known: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

TEST(ManifestRoute, HeadersCanMatch) {
  const auto header = [](const std::string& fields) {
    return route_problem("text = 'x', path = '/', header = {" + fields + "}");
  };
  EXPECT_EQ(header("'a b' = 'x'"), ".header.a b: is no name of a header");
  EXPECT_EQ(header("trilby-reason = 'x'"),
            ".header.trilby-reason: never reaches a route, so this one would never match");
  EXPECT_EQ(header("Connection = 'x'"), ".header.Connection: never reaches a route, so this one would never match");
  EXPECT_EQ(header("api = ' x'"), ".header.api: must be visible ASCII without spaces at its ends");
  EXPECT_EQ(header("api = ''"), ".header.api: must be visible ASCII without spaces at its ends");
  EXPECT_EQ(header("api = 1"), ".header.api: must be a text in quotes, not a number");
  EXPECT_EQ(header("api = 'x', API = 'y'"), ".header.api: is asked for twice; names of headers do not differ by case");
}

TEST(ManifestRoute, HasExactlyOneTarget) {
  EXPECT_EQ(route_problem("path = '/'"), ": leads nowhere; give it one of: files, function, invoke, text");
  EXPECT_EQ(route_problem("path = '/', text = 'x', files = 'y'"),
            ".text: is one target too many; keep one of: files, text");
  EXPECT_EQ(route_problem("path = '/', files = ''"), ".files: is empty");
  EXPECT_EQ(route_problem("path = '/', invoke = 'a/x/*'"), ".invoke: its path \"/x/*\" must not contain '*'");
  EXPECT_EQ(route_problem("path = '/', invoke = 'a/x?y'"),
            ".invoke: its path \"/x?y\" must not contain '?', '#' or '\\'; a route sees the path alone");
}

TEST(ManifestRoute, CorsIsAnOrigin) {
  for (const std::string origin :
       {"example.com", "https://", "https://example.com/", "https://Example.com", "*.example.com", ""}) {
    EXPECT_EQ(route_problem("path = '/', text = 'x', cors = '" + origin + "'"),
              ".cors: \"" + origin + "\" is no origin; write \"*\" for any, or one as in \"https://example.com\"");
  }
}

std::string reached(std::string_view first, std::string_view second) {
  return problems_with(
      fmt::format("[app.a]\nport = 1\nroute = [\n{{{}, text = 'x'}},\n{{{}, text = 'y'}}]\n", first, second));
}

TEST(ManifestRoute, ThatNoRequestReachesIsAnError) {
  EXPECT_EQ(
      reached("path = '/a'", "path = '/a'"),
      "t.toml:6: app.a.route[2]: is never reached: route[1] on line 5 takes all its requests; remove one of them");
  EXPECT_EQ(
      reached("path = '/a'", "path = '/a', method = 'GET'"),
      "t.toml:6: app.a.route[2]: is never reached: route[1] on line 5 takes all its requests; put this one before it");
  EXPECT_NE(reached("path = '/*'", "path = '/a/*', header = {api = 'go'}"), "nothing");
  EXPECT_NE(reached("path = '/a', header = {api = 'go'}", "path = '/a', header = {x = 'y', API = 'go'}"), "nothing");
  EXPECT_EQ(reached("path = '/a', method = 'GET'", "path = '/a'"), "nothing");
  EXPECT_EQ(reached("path = '/a/*'", "path = '/b'"), "nothing");
  EXPECT_EQ(reached("path = '/a/*'", "path = '/a'"), "nothing");
  EXPECT_EQ(reached("path = '/a', header = {api = 'go'}", "path = '/a'"), "nothing");
}

TEST(Manifest, SaysEverythingThatIsWrongAtOnce) {
  EXPECT_EQ(problems("trilby = 1\n[model.m]\nthreads = 99\n[admin]\nlisten = 1\n[app.a]\n"),
            "t.toml:2: model.m.path: is missing; give the model's file, as in path = \"models/food.xml\"\n"
            "t.toml:3: model.m.threads: must be between 1 and 64, not 99\n"
            "t.toml:5: admin.listen: must be a text in quotes, not a number\n"
            "t.toml:6: app.a.port: is missing; give the app channel's port, as in port = 8080");
}

TEST(Manifest, ButNoMoreThanTwentyThings) {
  std::string text = "trilby = 1\n";
  for (int i = 0; i < 25; ++i) {
    text += fmt::format("x{} = 1\n", i);
  }
  const std::string found = problems(text);
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 20);
  EXPECT_TRUE(found.ends_with("\nt.toml: and 5 more")) << found;
}

TEST(Manifest, MessagesHoldNoControlCharacters) {
  EXPECT_EQ(problems_with("\"a\\u001b[31m\" = 1\n").find('\x1b'), std::string::npos);
  EXPECT_EQ(problems_with("[app.a]\nport = 1\nroute = [{text = 'x', path = \"/\\u001b\"}]\n").find('\x1b'),
            std::string::npos);
}

TEST(Manifest, SizeAndDepthAreBounded) {
  EXPECT_EQ(problems(std::string((1U << 20U) + 1, '#')),
            "t.toml: 1048577 bytes are too much for a manifest; the most is 1MiB");
  std::string key = "a";
  std::string list = "a = ";
  for (int i = 0; i < 200'000; ++i) {
    key += ".a";
    list += '[';
  }
  EXPECT_EQ(problems("\n" + key + " = 1"), "t.toml:2: a key has too many parts; the most is 8");
  EXPECT_EQ(problems("x = [ '''\n'''', {" + key + " = 1}]"), "t.toml:2: a key has too many parts; the most is 8");
  EXPECT_EQ(problems("x = [ \"\"\"\\\"\"\"\"\", {" + key + " = 1}]"),
            "t.toml:1: a key has too many parts; the most is 8");
  EXPECT_EQ(problems(list).substr(0, 10), "t.toml:1: ");
  EXPECT_EQ(
      problems_with("[app.a]\nport = 1\nroute = [{path = '/', text = '1.2.3.4.5.6.7.8.9.10'}] # 1.2.3.4.5.6.7.8.9.10"),
      "nothing");
}

TEST(Manifest, LettersOtherThanAsciiStandInQuotes) {
  EXPECT_EQ(problems("trilby = 1\n\u0197 = 1"), "t.toml:2: letters other than ASCII belong in quotes");
  EXPECT_EQ(problems("trilby = \u00e9"), "t.toml:1: letters other than ASCII belong in quotes");
  EXPECT_EQ(problems("x = \"\"\"\\\n \u00e9\"\"\""),
            "t.toml:1: a letter other than ASCII may not follow a line-ending backslash");
  EXPECT_EQ(problems("\xEF\xBB\xBFtrilby = 1 # \u00e9\n[model.m]\npath = '\u00e9\u4e2d'"), "nothing");
}

TEST(Manifest, FileIsReadOrTheSystemsReasonIsGiven) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "manifest_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "t.toml") << kWhole;
  EXPECT_TRUE(load_manifest(folder / "t.toml"));
  EXPECT_EQ(load_manifest(folder / "none.toml").error().message,
            "cannot read the manifest " + (folder / "none.toml").string() + ": No such file or directory");
  EXPECT_EQ(load_manifest(folder).error().message, "cannot read the manifest " + folder.string() + ": Is a directory");
}

TEST(Manifest, AQuoteInTheMiddleOfAValueIsRefusedBeforeTheLibrarySeesIt) {
  // The library looks past the quotes for the value's end, and does not survive this letter there.
  const auto manifest = parse_manifest("H=2\"\"\"2zzz\xEF\xBB\xB7=", "trilby.toml");
  ASSERT_FALSE(manifest);
  EXPECT_NE(manifest.error().message.find("a quote may not stand here"), std::string::npos) << manifest.error().message;
}

TEST(ManifestTls, NamesACertificateAndItsKey) {
  const auto manifest = parse_manifest(
      "trilby = 1\n[app.a]\nport = 1\nprotocol = 'https'\ntls = { certificate = 'tls/c.pem', key = '/k.pem' }\n",
      "/s/t.toml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->apps[0].protocol, Protocol::Https);
  EXPECT_EQ(manifest->apps[0].tls->certificate, "/s/tls/c.pem");
  EXPECT_EQ(manifest->apps[0].tls->key, "/k.pem");
  EXPECT_EQ(manifest->apps[0].tls->source.line, 5U);
  EXPECT_TRUE(has_tls(Protocol::Https) && has_tls(Protocol::Grpcs) && !has_tls(Protocol::Http) &&
              !has_tls(Protocol::Grpc));
  EXPECT_TRUE(is_grpc(Protocol::Grpc) && is_grpc(Protocol::Grpcs) && !is_grpc(Protocol::Http) &&
              !is_grpc(Protocol::Https));
}

TEST(ManifestTls, SaysWhatIsMissing) {
  const auto error = [](const std::string& fields) {
    const auto manifest = parse_manifest("trilby = 1\n[app.a]\nport = 1\n" + fields, "t.toml");
    return manifest ? "nothing" : manifest.error().message;
  };
  EXPECT_EQ(error("protocol = 'grpcs'\n"),
            "t.toml:4: app.a.protocol: needs a certificate and its key; add "
            "tls = { certificate = \"certificate.pem\", key = \"key.pem\" }");
  EXPECT_EQ(error("tls = { certificate = 'c.pem' }\n"),
            "t.toml:4: app.a.tls.key: is missing; give a file in PEM, as in key = \"key.pem\"");
  EXPECT_EQ(error("tls = { certificate = '', key = 'k', ca = 'x' }\n"),
            "t.toml:4: app.a.tls.certificate: is empty; give a file in PEM, as in certificate = \"certificate.pem\"\n"
            "t.toml:4: app.a.tls.ca: there is no such field; known: certificate, key");
}

}  // namespace
}  // namespace trilby::app
