#include "app/sidecar_log.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace trilby::app {
namespace {

/// What is logged of `pieces`.
std::string logged(std::initializer_list<std::string_view> pieces, SidecarLog log = SidecarLog("web")) {
  testing::internal::CaptureStderr();
  for (const std::string_view piece : pieces) {
    log.append(piece);
  }
  log.finish();
  std::string out = testing::internal::GetCapturedStderr();
  std::string kept;
  for (std::size_t at = 0; at < out.size();) {  // without the times
    const std::size_t end = out.find('\n', at);
    const std::size_t blank = out.find(' ', at);
    kept += out.substr(blank + 1, end - blank);
    at = end + 1;
  }
  return kept;
}

constexpr std::string_view kInfo =
    R"({"app_id":"web","instance":"h","level":"info","msg":"dapr initialized","scope":"dapr.runtime","type":"log"})"
    "\n";
constexpr std::string_view kFatal = R"({"level":"fatal","msg":"no \"x\" here","scope":"dapr.runtime"})";

TEST(SidecarLog, SaysOfWhichAppItIsAndKeepsTheLevel) {
  EXPECT_EQ(logged({kInfo}), "info  sidecar  app=web  line=dapr initialized  scope=dapr.runtime\n");
  EXPECT_EQ(logged({R"({"level":"warning","msg":"m"})"}), "warning sidecar  app=web  line=m  scope=\n");
}

TEST(SidecarLog, JoinsPiecesAndPartsLines) {
  EXPECT_EQ(logged({kInfo.substr(0, 30), kInfo.substr(30)}), logged({kInfo}));
  EXPECT_EQ(logged({"one\n\ntw", "o\nthree"}), logged({"one\n", "two\n", "three\n"}));
}

TEST(SidecarLog, CutsLinesThatAreTooLong) {
  SidecarLog log("web");
  const std::string much(SidecarLog::kMaxLine * 3, 'x');
  const std::string out = logged({much, much, "\nnext\n"}, log);
  EXPECT_LT(out.size(), SidecarLog::kMaxLine + 200);
  EXPECT_NE(out.find("line=next"), std::string::npos);
}

TEST(SidecarLog, RemembersWhatMayBeWhyItEnded) {
  SidecarLog log("web");
  testing::internal::CaptureStderr();
  log.append("panic: it is broken\n");
  EXPECT_EQ(log.last_error(), "panic: it is broken");
  log.append(kFatal);
  log.finish();
  log.append(kInfo);
  EXPECT_EQ(log.last_error(), "no \"x\" here");
  testing::internal::GetCapturedStderr();
}

TEST(SidecarLog, TakesWhatIsNoLineOfDaprdAsItIs) {
  for (const std::string_view odd : {"{", "[1]", "{}", R"({"level":1,"msg":"x"})", R"("text")"}) {
    EXPECT_EQ(logged({odd}).substr(0, 24), "warning sidecar  app=web") << odd;
  }
}

}  // namespace
}  // namespace trilby::app
