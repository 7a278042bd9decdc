#include "app/tokens.h"

#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace trilby::app {
namespace {

TEST(Tokens, AreTakenOnceAndLeaveNothingBehind) {
  setenv("APP_API_TOKEN", "first secret", 1);
  setenv("DAPR_API_TOKEN", "second secret", 1);
  const char* const place = std::getenv("APP_API_TOKEN");
  const Tokens tokens = take_tokens();
  EXPECT_EQ(tokens.app, "first secret");
  EXPECT_EQ(tokens.dapr, "second secret");
  EXPECT_EQ(std::getenv("APP_API_TOKEN"), nullptr);
  EXPECT_EQ(std::getenv("DAPR_API_TOKEN"), nullptr);
  EXPECT_EQ(std::strlen(place), 0U) << "it is overwritten";
  EXPECT_EQ(take_tokens().app, "");
}

TEST(Tokens, AreOverwrittenWhereTheyWereWhenTheyAreHidden) {
  char given[] = "APP_API_TOKEN=in the first environment";
  putenv(given);
  hide_tokens();
  EXPECT_STREQ(given, "APP_API_TOKEN=");
  EXPECT_STREQ(std::getenv("APP_API_TOKEN"), "in the first environment") << "for those who inherit it";
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  EXPECT_EQ(core.rlim_max, 0U);
  EXPECT_EQ(take_tokens().app, "in the first environment");
}

TEST(Tokens, HoldTheHeadersOfEachSignal) {
  setenv("OTEL_EXPORTER_OTLP_HEADERS", "key=for all", 1);
  setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "key=for metrics", 1);
  hide_tokens();
  const Tokens tokens = take_tokens();
  EXPECT_EQ(tokens.traces_headers, "key=for all");
  EXPECT_EQ(tokens.metrics_headers, "key=for metrics");
  EXPECT_EQ(std::getenv("OTEL_EXPORTER_OTLP_HEADERS"), nullptr);
  EXPECT_EQ(std::getenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS"), nullptr);
  EXPECT_EQ(take_tokens().traces_headers, "");
}

TEST(Tokens, NeedNotBeThere) {
  hide_tokens();
  const Tokens tokens = take_tokens();
  EXPECT_EQ(tokens.app + tokens.dapr, "");
}

}  // namespace
}  // namespace trilby::app
