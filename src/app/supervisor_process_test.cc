#include "app/supervisor_process.h"

#include <array>
#include <csignal>
#include <string_view>

#include <gtest/gtest.h>
#include <unistd.h>

namespace trilby::app {
namespace {

TEST(SealedFile, IsReadFromTheStartByEverybodyAndChangedByNobody) {
  const auto file = make_sealed_file("trilby = 1");
  ASSERT_TRUE(file);
  std::array<char, 32> text{};
  for (int reader = 0; reader < 2; ++reader) {
    const ssize_t count = pread(file->get(), text.data(), text.size(), 0);
    ASSERT_GT(count, 0);
    EXPECT_EQ(std::string_view(text.data(), static_cast<std::size_t>(count)), "trilby = 1");
  }
  EXPECT_EQ(pwrite(file->get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(file->get(), 0), -1);
}

TEST(Exit, IsSaidInWords) {
  EXPECT_EQ(describe_exit(78 << 8), "exit code 78");
  EXPECT_EQ(describe_exit(SIGSEGV), "signal 11 (Segmentation fault)");
}

}  // namespace
}  // namespace trilby::app
