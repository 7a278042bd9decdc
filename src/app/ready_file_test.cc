#include "app/ready_file.h"

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ReadyFile : public testing::Test {
 protected:
  ReadyFile()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  std::filesystem::path folder_;
};

TEST(ReadyDocument, SaysWhereEachAppIsReached) {
  const RunningSystem system{{{ListenerKind::AppChannel, "web", {"127.0.0.1", 8080}},
                              {ListenerKind::Public, "web", {"::", 443}, true},
                              {ListenerKind::AppChannel, "images", {"127.0.0.1", 9004}},
                              {ListenerKind::Admin, "", {"127.0.0.1", 9464}}},
                             {{"images", 3502}},
                             12,
                             34};
  EXPECT_EQ(
      ready_document(system),
      R"({"apps":{"web":{"url":"https://[::]:443","channel":"http://127.0.0.1:8080","public":"https://[::]:443"},)"
      R"("images":{"url":"http://127.0.0.1:9004","channel":"http://127.0.0.1:9004",)"
      R"("sidecar":"http://127.0.0.1:3502"}},)"
      R"("admin":"http://127.0.0.1:9464","supervisor":12,"worker":34})");
  EXPECT_EQ(routes_address(system, "nobody"), nullptr);
}

TEST_F(ReadyFile, ReplacesWhatWasThere) {
  std::ofstream(folder_ / "ready") << "something older and longer";
  ASSERT_TRUE(write_ready_file(folder_ / "ready", "{}"));
  EXPECT_EQ(read(folder_ / "ready"), "{}");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(ReadyFile, ThatCannotBeWrittenLeavesNothingBehind) {
  std::filesystem::create_directory(folder_ / "ready");
  EXPECT_EQ(write_ready_file(folder_ / "ready", "{}").error().reason, Reason::Manifest);
  EXPECT_FALSE(write_ready_file(folder_ / "none" / "ready", "{}"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace trilby::app
