#include "app/shared_counts.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace trilby::app {
namespace {

constexpr std::size_t kSize = sizeof(observe::SupervisorMetrics);

TEST(SharedCounts, AreReadWhereTheyAreNotWritten) {
  auto shared = make_shared_counts();
  ASSERT_TRUE(shared) << shared.error().message;
  const auto reader = read_counts(shared->file.get());
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->reloads.done.value(), 0U);
  shared->file.close();
  shared->counts->reloads.count(true);
  shared->counts->renewals.count(false);
  shared->counts->crashes.add();
  EXPECT_EQ((*reader)->reloads.done.value(), 1U);
  EXPECT_EQ((*reader)->reloads.failed.value(), 0U);
  EXPECT_EQ((*reader)->renewals.failed.value(), 1U);
  EXPECT_EQ((*reader)->crashes.value(), 1U);
  shared->counts.reset();
  EXPECT_EQ((*reader)->crashes.value(), 1U) << "they outlive whoever counted";
}

TEST(SharedCounts, AreWrittenByNobodyElse) {
  const auto shared = make_shared_counts();
  ASSERT_TRUE(shared);
  EXPECT_EQ(pwrite(shared->file.get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(shared->file.get(), 0), -1);
  EXPECT_EQ(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, shared->file.get(), 0), MAP_FAILED);
  void* const memory = mmap(nullptr, kSize, PROT_READ, MAP_SHARED, shared->file.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(mprotect(memory, kSize, PROT_READ | PROT_WRITE), -1);
  munmap(memory, kSize);
}

TEST(SharedCounts, AreNotReadFromWhatIsSomethingElse) {
  EXPECT_EQ(read_counts(-1).error().reason, Reason::Internal);
  EXPECT_EQ(read_counts(STDIN_FILENO).error().reason, Reason::Internal);
  const net::Socket other(memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(other.get(), kSize), 0);
  EXPECT_EQ(read_counts(other.get()).error().reason, Reason::Internal) << "it could shrink";
  const net::Socket open(memfd_create("open", MFD_CLOEXEC));
  EXPECT_EQ(read_counts(open.get()).error().reason, Reason::Internal);
}

}  // namespace
}  // namespace trilby::app
