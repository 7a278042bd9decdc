#include "app/supervisor_memory.h"

#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace trilby::app {
namespace {

TEST(MemoryKills, AreReadFromTheKernelsFiles) {
  const auto file = std::filesystem::path(testing::TempDir()) / ("memory-kills-" + std::to_string(getpid()));
  std::ofstream(file) << "low 0\noom 3\noom_kill 2\noom_group_kill 7\n";
  EXPECT_EQ(read_count(file, "oom_kill"), 2U);
  EXPECT_EQ(read_count(file, "oom"), 3U);
  EXPECT_EQ(read_count(file, "kill"), std::nullopt);
  std::ofstream(file) << "oom_kill many\n";
  EXPECT_EQ(read_count(file, "oom_kill"), std::nullopt);
  std::filesystem::remove(file);
  EXPECT_EQ(read_count(file, "oom_kill"), std::nullopt);
}

TEST(MemoryKills, ExplainADeathWhenTheyGrew) {
  EXPECT_EQ(explain_kill({1, 5}, {1, 5}), "");
  EXPECT_NE(explain_kill({1, 5}, {2, 6}).find("control group"), std::string_view::npos);
  EXPECT_NE(explain_kill({1, 5}, {1, 6}).find("most likely"), std::string_view::npos);
  EXPECT_EQ(explain_kill({{}, {}}, {2, 6}), "") << "nothing is known of the time before";
}

}  // namespace
}  // namespace trilby::app
