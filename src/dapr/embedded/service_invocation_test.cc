#include "dapr/embedded/service_invocation.h"

#include <optional>

#include <gtest/gtest.h>

namespace trilby::dapr::embedded {
namespace {

Call call_from(std::string caller) {
  Call call;
  call.method = "POST";
  call.path = "/api/image";
  call.caller = std::move(caller);
  call.fields.add("Dapr-Caller-App-Id", "forged");
  call.body = make_body("pixels");
  return call;
}

TEST(LocalInvocation, HandsTheCallToTheAppAndSaysWhoCalls) {
  LocalInvocation invocation;
  std::optional<Call> received;
  invocation.add_app("image-api-rs", [&](Call call, const OnOutcome& done) {
    received = std::move(call);
    done(refusal(Reason::BadInput, "no image"));
  });
  std::optional<Outcome> outcome;
  invocation.invoke("image-api-rs", call_from("go-web-port"), [&](Outcome end) { outcome = std::move(end); });
  ASSERT_TRUE(received);
  EXPECT_EQ(received->path, "/api/image");
  EXPECT_EQ(received->hops, 1U);
  EXPECT_EQ(received->fields.count("dapr-caller-app-id"), 1U);
  EXPECT_EQ(*received->fields.find("dapr-caller-app-id"), "go-web-port");
  EXPECT_EQ(*received->fields.find("dapr-callee-app-id"), "image-api-rs");
  EXPECT_EQ(outcome.value().reason, Reason::BadInput);
}

TEST(LocalInvocation, FailsForAnUnknownAppWithoutNamingItToTheCaller) {
  LocalInvocation invocation;
  std::optional<Outcome> outcome;
  invocation.invoke("nobody", call_from("web"), [&](Outcome end) { outcome = std::move(end); });
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->reason, Reason::UpstreamFailed);
  EXPECT_EQ(outcome->detail.find("nobody"), std::string::npos);
  EXPECT_NE(outcome->message.find("nobody"), std::string::npos);
}

TEST(LocalInvocation, EndsLoopsBetweenApps) {
  LocalInvocation invocation;
  unsigned visits = 0;
  invocation.add_app("self", [&](Call call, OnOutcome done) {
    ++visits;
    invocation.invoke("self", std::move(call), std::move(done));
  });
  std::optional<Outcome> outcome;
  invocation.invoke("self", call_from("web"), [&](Outcome end) { outcome = std::move(end); });
  EXPECT_EQ(visits, kMaxHops);
  EXPECT_EQ(outcome.value().reason, Reason::UpstreamFailed);
}

}  // namespace
}  // namespace trilby::dapr::embedded
