#include "invoke/cgi.h"

#include <string>

#include <gtest/gtest.h>

#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

using namespace std::string_literals;

/// The value of a variable; "(none)" when there is no such one.
std::string value_of(const policy::Environment& environment, const std::string& name) {
  const std::string block = "\0"s + std::string(environment.block());
  const std::size_t at = block.find("\0"s + name + "=");
  if (at == std::string::npos) {
    return "(none)";
  }
  const std::size_t begin = at + name.size() + 2;
  return block.substr(begin, block.find('\0', begin) - begin);
}

Call cgi_call() {
  Call call = test_call();
  call.path = "/cgi/a b/c";
  call.script = 4;
  call.query = "x=1&y=%20";
  call.peer = "[2001:db8::7]:40000";
  call.fields = {{"Host", "example.com:8080"}, {"content-type", "text/plain"}, {"X-Api-Key", "k"}};
  return call;
}

policy::Environment variables(const Call& call, std::size_t length = 0) {
  policy::Environment environment;
  EXPECT_TRUE(add_cgi_variables(call, length, environment));
  return environment;
}

TEST(CgiVariables, TellTheRequest) {
  const policy::Environment told = variables(cgi_call(), 5);
  const std::pair<std::string, std::string> expected[] = {
      {"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"SERVER_NAME", "example.com"},
      {"SERVER_PORT", "8080"},          {"REQUEST_METHOD", "POST"},      {"SCRIPT_NAME", "/cgi"},
      {"PATH_INFO", "/a b/c"},          {"QUERY_STRING", "x=1&y=%20"},   {"REMOTE_ADDR", "2001:db8::7"},
      {"CONTENT_LENGTH", "5"},          {"CONTENT_TYPE", "text/plain"},  {"HTTP_HOST", "example.com:8080"},
      {"HTTP_X_API_KEY", "k"}};
  for (const auto& [name, value] : expected) {
    EXPECT_EQ(value_of(told, name), value) << name;
  }
  EXPECT_EQ(value_of(told, "HTTP_CONTENT_TYPE"), "(none)");
}

TEST(CgiVariables, AreThereEvenIfACallHasNothingToTell) {
  const policy::Environment told = variables(test_call());
  EXPECT_EQ(value_of(told, "QUERY_STRING"), "");
  EXPECT_EQ(value_of(told, "REMOTE_ADDR"), "127.0.0.1");
  EXPECT_EQ(value_of(told, "SERVER_NAME"), "localhost");
  EXPECT_EQ(value_of(told, "SERVER_PORT"), "80");
  EXPECT_EQ(value_of(told, "CONTENT_LENGTH"), "(none)");
}

TEST(CgiVariables, LeaveOutWhatProgramsMisread) {
  Call call = cgi_call();
  call.fields = {{"Proxy", "http://evil"},       {"PROXY", "http://evil"}, {"Authorization", "Basic secret"},
                 {"X_Real", "spoofed"},          {"X-Real", "right"},      {"X.Dot", "odd"},
                 {std::string(200, 'a'), "long"}};
  const policy::Environment told = variables(call);
  EXPECT_EQ(value_of(told, "HTTP_PROXY"), "(none)");
  EXPECT_EQ(value_of(told, "HTTP_AUTHORIZATION"), "(none)");
  EXPECT_EQ(value_of(told, "HTTP_X_REAL"), "right");
  EXPECT_EQ(value_of(told, "HTTP_X_DOT"), "(none)");
  EXPECT_EQ(told.block().find("spoofed"), std::string_view::npos);
  EXPECT_EQ(told.block().find("long"), std::string_view::npos);
}

TEST(CgiVariables, TakeNoServerNameThatIsNone) {
  for (const char* host : {"a b", "evil\"", "", "a/../b", "x@y"}) {
    Call call = cgi_call();
    call.fields.set("host", host);
    EXPECT_EQ(value_of(variables(call), "SERVER_NAME"), "localhost") << host;
    EXPECT_EQ(value_of(variables(call), "SERVER_PORT"), "80") << host;
  }
  Call call = cgi_call();
  call.fields.set("host", "[::1]:9000");
  EXPECT_EQ(value_of(variables(call), "SERVER_NAME"), "[::1]");
  EXPECT_EQ(value_of(variables(call), "SERVER_PORT"), "9000");
  call.fields.set("host", "[::1]");
  EXPECT_EQ(value_of(variables(call), "SERVER_NAME"), "[::1]");
  call.fields.set("host", "h:99999999");
  EXPECT_EQ(value_of(variables(call), "SERVER_PORT"), "80");
}

TEST(CgiVariables, JoinFieldsOfOneName) {
  Call call = cgi_call();
  call.fields = {{"Accept", "a"}, {"accept", "b"}, {"Cookie", "x=1"}, {"cookie", "y=2"}};
  EXPECT_EQ(value_of(variables(call), "HTTP_ACCEPT"), "a, b");
  EXPECT_EQ(value_of(variables(call), "HTTP_COOKIE"), "x=1; y=2");
}

TEST(CgiVariables, AreBounded) {
  Call call = cgi_call();
  call.query = std::string(policy::kMaxEnvironment, 'q');
  policy::Environment environment;
  EXPECT_EQ(add_cgi_variables(call, 0, environment).error().reason, Reason::HeadTooLarge);
  call = cgi_call();
  for (std::size_t i = 0; i < policy::kMaxVariables; ++i) {
    call.fields.add("X-" + std::to_string(i), "");
  }
  EXPECT_EQ(add_cgi_variables(call, 0, environment).error().reason, Reason::HeadTooLarge);
}

TEST(CgiOutput, IsFieldsABlankLineAndABody) {
  const std::string output = "Content-Type: text/plain\r\nX-A:  b \t\n\nbody\n\n";
  const CgiHead head = parse_cgi_head(output).value();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(*head.fields.find("content-type"), "text/plain");
  EXPECT_EQ(*head.fields.find("x-a"), "b");
  EXPECT_EQ(output.substr(head.size), "body\n\n");
}

TEST(CgiOutput, MaySetTheStatus) {
  EXPECT_EQ(parse_cgi_head("Status: 404 Not Found\n\n").value().status, 404);
  EXPECT_EQ(parse_cgi_head("STATUS:204\n\n").value().status, 204);
  for (const char* status :
       {"", "0", "99", "100", "199", "600", "1000", "20", "2000", "200OK", "abc", "-200", " ", "+200"}) {
    EXPECT_FALSE(parse_cgi_head("Status: "s + status + "\n\n")) << status;
  }
  EXPECT_FALSE(parse_cgi_head("Status: 200\nStatus: 201\n\n"));
}

TEST(CgiOutput, MayLeadElsewhere) {
  EXPECT_EQ(parse_cgi_head("Location: /there?x=1\n\n").value().status, 302);
  EXPECT_EQ(parse_cgi_head("Location: https://example.com/\nStatus: 308\n\n").value().status, 308);
  for (const char* location : {"", "a b", "/\"x", "/\xC3\xA4", "<script>"}) {
    EXPECT_FALSE(parse_cgi_head("Location: "s + location + "\n\n")) << location;
  }
  EXPECT_FALSE(parse_cgi_head("Location: /a\nLocation: /b\n\n"));
}

TEST(CgiOutput, ThatIsWrongIsTheFunctionsFailure) {
  const std::string wrong[] = {
      "",
      "\n",
      "body without a head",
      "Content-Type: text/plain\n",
      "Content-Type: text/plain\n body",
      "Content-Type text/plain\n\n",
      ": nameless\n\n",
      "Content Type: text/plain\n\n",
      "X-A: b\n\n",
      "Status: 200\n\nbody without a type",
      "Content-Type: a/b\nContent-Type: c/d\n\n",
      "Content-Type: text/plain\nX-A: a\rSet-Cookie: x\n\n",
      "Content-Type: text/plain\nX-A: a\0b\n\n"s,
      "Content-Type: text/plain\nX-A: \x1b[31m\n\n",
      "Content-Type: text/plain\n folded: x\n\n",
  };
  for (const std::string& output : wrong) {
    const auto head = parse_cgi_head(output);
    ASSERT_FALSE(head) << output;
    EXPECT_EQ(head.error().reason, Reason::FunctionFailed);
  }
}

TEST(CgiOutput, HasABoundedHead) {
  const std::string begin = "Content-Type: text/plain\n";
  std::string many = begin;
  for (std::size_t i = 1; i < kMaxCgiFields; ++i) {
    many += "X-A: b\n";
  }
  EXPECT_TRUE(parse_cgi_head(many + "\n"));
  EXPECT_FALSE(parse_cgi_head(many + "X-A: b\n\n"));
  const std::string large = begin + "X-A: " + std::string(kMaxCgiHead - begin.size() - 7, 'x') + "\n";
  EXPECT_TRUE(parse_cgi_head(large + "\n" + std::string(100'000, 'b')));
  EXPECT_FALSE(parse_cgi_head(large + "\r\n"));
}

std::shared_ptr<const Function> cgi_function(const std::string& guest) {
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of(guest, directory.guest(guest));
  spec.output = Output::Cgi;
  EXPECT_TRUE(spec.environment.add("GREETING", "hello"));
  return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
}

TEST(CgiCommand, IsToldTheRequestBesideWhatItIsGiven) {
  Call call = cgi_call();
  call.body = make_body("Status: 201\nContent-Type: text/plain\n\n");
  Outcome outcome = run_once(cgi_function("env"), std::move(call));
  ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(outcome.status, 201);
  EXPECT_EQ(*outcome.fields.find("content-type"), "text/plain");
  const std::string body = read_body(outcome);
  EXPECT_TRUE(body.starts_with("GREETING=hello\0GATEWAY_INTERFACE=CGI/1.1\0"s)) << body;
  EXPECT_NE(body.find("\0SCRIPT_NAME=/cgi\0"s), std::string::npos);
  EXPECT_TRUE(body.ends_with("HTTP_X_API_KEY=k\0"s));
}

TEST(CgiCommand, ThatSaysNoHeadHasFailed) {
  const Outcome outcome = run_once(cgi_function("echo"), test_call("hello"));
  EXPECT_EQ(outcome.reason, Reason::FunctionFailed);
  EXPECT_EQ(outcome.status, 500);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_EQ(outcome.detail, "");
}

TEST(Command, IsGivenItsEnvironmentAndNothingOfTheHosts) {
  Outcome without = run_once(test_function("env"), test_call("in"));
  ASSERT_EQ(without.reason, Reason::Ok) << without.message;
  EXPECT_EQ(read_body(without), "in");
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of("env", directory.guest("env"));
  ASSERT_TRUE(spec.environment.add("A", "1"));
  ASSERT_TRUE(spec.environment.add("B", ""));
  Outcome with = run_once(prepare(std::move(spec), test_engine(), nullptr, nullptr).value(), test_call());
  EXPECT_EQ(read_body(with), "A=1\0B=\0"s);
}

}  // namespace
}  // namespace trilby::invoke
