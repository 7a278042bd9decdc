#include "app/tokens.h"

#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trilby::app {
namespace {

rlim_t hard_core_limit() {
  rlimit core{};
  EXPECT_EQ(getrlimit(RLIMIT_CORE, &core), 0);
  return core.rlim_max;
}

/// What `work` returns in a process of its own, as wait() tells it.
int in_child(int (*work)()) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(work());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(CoreFiles, AreForbiddenWhetherTheKernelWritesThemOrAProgram) {
  if (hard_core_limit() == 0 && geteuid() != 0) {
    GTEST_SKIP() << "whoever started this test lets nobody raise the limit to 1";
  }
  const int status = in_child([] {
    forbid_core_files();
    if (hard_core_limit() != 1) {
      return 1;
    }
    std::abort();
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << "the limit is 1, which pipes hear too";
  EXPECT_FALSE(WCOREDUMP(status));
}

TEST(CoreFiles, AreForbiddenWhereTheLimitCannotBeRaisedToOne) {
  const int status = in_child([] {
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0) ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
      return 1;
    }
    forbid_core_files();
    return hard_core_limit() == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

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
  putenv(given);  // NOLINT(clang-analyzer-security.PutenvStackArray): until the end of the test
  hide_tokens();
  EXPECT_STREQ(given, "APP_API_TOKEN=");
  EXPECT_STREQ(std::getenv("APP_API_TOKEN"), "in the first environment") << "for those who inherit it";
  EXPECT_LE(hard_core_limit(), 1U);
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
