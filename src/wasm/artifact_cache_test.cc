#include "wasm/artifact_cache.h"

#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wasm/test_guests.h"

namespace trilby::wasm {
namespace {

namespace fs = std::filesystem;

Engine& engine() {
  static const std::unique_ptr<Engine> made = Engine::create({.max_memory = 1_MiB, .max_calls = 2}).value();
  return *made;
}

/// A cache with one entry in it.
class FilledCache : public ::testing::Test {
 protected:
  void SetUp() override { EXPECT_EQ(origin(), Origin::Compiled); }

  Origin origin() { return compile(engine(), bytes_, &cache_).value().origin; }
  [[nodiscard]] fs::path entry() const { return cache_.directory() / artifact_key(engine(), bytes_); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }

  TestDirectory directory_;
  std::vector<std::byte> bytes_ = guest_bytes("echo");
  ArtifactCache cache_ = ArtifactCache::open(directory_.path() / "aot").value();
};

TEST_F(FilledCache, GivesWhatItKept) {
  EXPECT_EQ(origin(), Origin::Cache);
  const auto again = ArtifactCache::open(directory_.path() / "aot").value();
  EXPECT_EQ(compile(engine(), bytes_, &again).value().origin, Origin::Cache);
}

TEST_F(FilledCache, IsPrivate) {
  EXPECT_EQ(fs::status(cache_.directory()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(entry()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& file : fs::directory_iterator(cache_.directory())) {
    ++files;
  }
  EXPECT_EQ(files, 1U) << "temporary files are renamed or removed";
}

TEST_F(FilledCache, RebuildsAnEntryWithAnyFlippedBit) {
  const std::string whole = read(entry());
  for (std::size_t at = 0; at < whole.size(); at += whole.size() / 50 + 1) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    write(entry(), changed);
    ASSERT_EQ(origin(), Origin::Rebuilt) << at;
    ASSERT_EQ(origin(), Origin::Cache) << at;
  }
}

TEST_F(FilledCache, RebuildsATruncatedEntry) {
  const auto size = fs::file_size(entry());
  for (const std::uintmax_t length : {std::uintmax_t{0}, std::uintmax_t{7}, std::uintmax_t{40}, size / 2, size - 1}) {
    fs::resize_file(entry(), length);
    ASSERT_EQ(origin(), Origin::Rebuilt) << length;
  }
}

TEST_F(FilledCache, RebuildsTheEntryOfAnotherModule) {
  const auto other = guest_bytes("spin");
  ASSERT_EQ(compile(engine(), other, &cache_).value().origin, Origin::Compiled);
  fs::copy_file(cache_.directory() / artifact_key(engine(), other), entry(), fs::copy_options::overwrite_existing);
  EXPECT_EQ(origin(), Origin::Rebuilt);
}

TEST_F(FilledCache, FollowsNoLinks) {
  const fs::path elsewhere = directory_.path() / "elsewhere";
  fs::rename(entry(), elsewhere);
  fs::create_symlink(elsewhere, entry());
  EXPECT_EQ(origin(), Origin::Rebuilt);
  EXPECT_TRUE(fs::exists(elsewhere)) << "only the link is removed";
  EXPECT_FALSE(fs::is_symlink(entry()));
  EXPECT_EQ(origin(), Origin::Cache);
}

TEST_F(FilledCache, RefusesEntriesThatOthersMayWrite) {
  fs::permissions(entry(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_EQ(origin(), Origin::Rebuilt);
}

TEST_F(FilledCache, IsNotHeldUpByAPipe) {
  fs::remove(entry());
  ASSERT_EQ(mkfifo(entry().c_str(), 0600), 0);
  EXPECT_EQ(origin(), Origin::Rebuilt);
}

TEST_F(FilledCache, GoesOnWithoutADirectoryThatHasGone) {
  fs::remove_all(cache_.directory());
  EXPECT_EQ(origin(), Origin::Compiled);
  EXPECT_EQ(origin(), Origin::Compiled);
}

TEST(ArtifactKey, DependsOnTheModule) {
  auto bytes = guest_bytes("echo");
  const std::string key = artifact_key(engine(), bytes);
  EXPECT_EQ(key.size(), 64U);
  bytes.back() ^= std::byte{1};
  EXPECT_NE(artifact_key(engine(), bytes), key);
}

TEST(ArtifactCacheOpen, RefusesADirectoryThatIsOpenToOthers) {
  const TestDirectory directory;
  const fs::path open = directory.path() / "open";
  for (const auto others : {fs::perms::others_write, fs::perms::group_write, fs::perms::others_read}) {
    fs::create_directory(open);
    fs::permissions(open, fs::perms::owner_all | others);
    const auto cache = ArtifactCache::open(open);
    ASSERT_FALSE(cache);
    EXPECT_EQ(cache.error().reason, Reason::Manifest);
    EXPECT_NE(cache.error().message.find("chmod 700"), std::string::npos);
  }
}

TEST(ArtifactCacheOpen, RefusesALinkAndAFile) {
  const TestDirectory directory;
  fs::create_directory(directory.path() / "real");
  fs::permissions(directory.path() / "real", fs::perms::owner_all);
  fs::create_symlink(directory.path() / "real", directory.path() / "link");
  EXPECT_FALSE(ArtifactCache::open(directory.path() / "link"));
  EXPECT_FALSE(ArtifactCache::open(directory.path() / "link/"));
  std::ofstream(directory.path() / "file") << "x";
  EXPECT_FALSE(ArtifactCache::open(directory.path() / "file"));
}

TEST(ArtifactCacheOpen, GoesOnWithoutADirectoryThatCannotBeMade) {
  const TestDirectory directory;
  std::ofstream(directory.path() / "file") << "x";
  const auto cache = ArtifactCache::open(directory.path() / "file" / "below").value();
  EXPECT_FALSE(cache.writable());
  const auto bytes = guest_bytes("echo");
  EXPECT_EQ(compile(engine(), bytes, &cache).value().origin, Origin::Compiled);
  EXPECT_EQ(compile(engine(), bytes, &cache).value().origin, Origin::Compiled);
}

TEST(ArtifactCacheOpen, ReadsADirectoryThatCannotBeWritten) {
  if (geteuid() == 0) {
    GTEST_SKIP() << "root may write everywhere";
  }
  const TestDirectory directory;
  const fs::path fixed = directory.path() / "fixed";
  const auto bytes = guest_bytes("echo");
  const auto filled = ArtifactCache::open(fixed).value();
  ASSERT_EQ(compile(engine(), bytes, &filled).value().origin, Origin::Compiled);
  fs::permissions(fixed, fs::perms::owner_read | fs::perms::owner_exec);
  const auto cache = ArtifactCache::open(fixed).value();
  EXPECT_FALSE(cache.writable());
  EXPECT_EQ(compile(engine(), bytes, &cache).value().origin, Origin::Cache);
  fs::permissions(fixed, fs::perms::owner_all);
}

}  // namespace
}  // namespace trilby::wasm
