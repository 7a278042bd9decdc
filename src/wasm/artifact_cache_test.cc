#include "wasm/artifact_cache.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

  void tidy() const { cache_.tidy({}, std::chrono::system_clock::now()); }
  [[nodiscard]] std::vector<fs::path> files() const {
    return {fs::directory_iterator(cache_.directory()), fs::directory_iterator()};
  }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }

  TestDirectory directory_;
  std::vector<std::byte> bytes_ = guest_bytes("echo");
  ArtifactCache cache_ = ArtifactCache::open(directory_.path() / "aot");
};

TEST_F(FilledCache, GivesWhatItKept) {
  EXPECT_EQ(origin(), Origin::Cache);
  const auto again = ArtifactCache::open(directory_.path() / "aot");
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

/// A file that was last used so long ago.
void age(const fs::path& path, std::chrono::hours ago) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - ago);
}

using namespace std::chrono_literals;

TEST_F(FilledCache, KeepsWhatIsUsed) {
  age(entry(), 24h * 29);
  tidy();
  ASSERT_TRUE(fs::exists(entry()));
  age(entry(), 24h * 31);
  ASSERT_EQ(origin(), Origin::Cache);
  tidy();
  EXPECT_TRUE(fs::exists(entry())) << "the use counts, not the age";
}

TEST_F(FilledCache, RemovesWhatNobodyUsedForLong) {
  age(entry(), 24h * 31);
  tidy();
  EXPECT_FALSE(fs::exists(entry()));
  EXPECT_EQ(origin(), Origin::Compiled);
}

TEST_F(FilledCache, RemovesWhatWasUsedLongestAgoWhenItGrowsTooLarge) {
  const auto made = [&](char digit, std::chrono::hours ago) {
    const fs::path path = cache_.directory() / std::string(64, digit);
    write(path, std::string(1000, 'x'));
    age(path, ago);
    return path;
  };
  const fs::path oldest = made('a', 5h);
  const fs::path middle = made('b', 4h);
  const fs::path newest = made('c', 3h);
  const std::uint64_t now = fs::file_size(entry());
  cache_.tidy({.size = Bytes{now + 2500}}, std::chrono::system_clock::now());
  EXPECT_FALSE(fs::exists(oldest));
  EXPECT_TRUE(fs::exists(middle));
  cache_.tidy({.size = Bytes{now}}, std::chrono::system_clock::now());
  EXPECT_FALSE(fs::exists(middle));
  EXPECT_FALSE(fs::exists(newest));
  EXPECT_EQ(origin(), Origin::Cache) << "it was used last";
}

TEST_F(FilledCache, LeavesAloneWhatIsNotItsOwn) {
  for (const char* name : {"README", "0123", ".hidden", ".a-b", "upper-case"}) {
    write(cache_.directory() / name, "mine");
    age(cache_.directory() / name, 24h * 1000);
  }
  fs::create_directory(cache_.directory() / std::string(64, 'd'));
  age(cache_.directory() / std::string(64, 'd'), 24h * 1000);
  tidy();
  for (const char* name : {"README", "0123", ".hidden", ".a-b", "upper-case"}) {
    EXPECT_TRUE(fs::exists(cache_.directory() / name)) << name;
  }
}

TEST_F(FilledCache, MindsNoTimesThatCannotBe) {
  timespec times[2] = {{.tv_sec = 1LL << 33U, .tv_nsec = 0}, {.tv_sec = 1LL << 33U, .tv_nsec = 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, entry().c_str(), times, 0), 0);
  tidy();
  EXPECT_EQ(origin(), Origin::Cache) << "a clock that was wrong once harms nothing";
}

/// What ends in the middle of a write leaves no entry: the next start compiles, and a later one cleans up.
TEST_F(FilledCache, IsWholeAfterAWriterWasKilled) {
  const auto module = compile(engine(), bytes_, nullptr).value().module;
  fs::remove(entry());
  const pid_t child = fork();
  if (child == 0) {
    // The kernel ends the process at the byte over the limit, in the middle of its write.
    std::signal(SIGXFSZ, SIG_DFL);
    const rlimit few{.rlim_cur = 1024, .rlim_max = 1024};
    setrlimit(RLIMIT_FSIZE, &few);
    const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_CORE, &no_core);
    cache_.store(artifact_key(engine(), bytes_), *module);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << status;
  EXPECT_FALSE(fs::exists(entry()));
  const auto left = files();
  ASSERT_EQ(left.size(), 1U) << "the half that the writer could not remove";
  EXPECT_EQ(fs::file_size(left[0]), 1024U);
  EXPECT_EQ(origin(), Origin::Compiled);
  EXPECT_EQ(origin(), Origin::Cache);
  tidy();
  EXPECT_EQ(files().size(), 2U) << "it may still be written";
  age(left[0], 2h);
  tidy();
  EXPECT_FALSE(fs::exists(left[0]));
  EXPECT_EQ(origin(), Origin::Cache);
}

TEST_F(FilledCache, KeepsNothingWhenTheDiskIsFull) {
  fs::remove(entry());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit few{.rlim_cur = 1024, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &few), 0);
  EXPECT_EQ(origin(), Origin::Compiled);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(origin(), Origin::Compiled);
  EXPECT_EQ(origin(), Origin::Cache);
}

TEST(ArtifactKey, DependsOnTheModule) {
  auto bytes = guest_bytes("echo");
  const std::string key = artifact_key(engine(), bytes);
  EXPECT_EQ(key.size(), 64U);
  bytes.back() ^= std::byte{1};
  EXPECT_NE(artifact_key(engine(), bytes), key);
}

/// Nothing is taken from there, nothing is put there, and functions are compiled all the same.
void expect_no_cache(const fs::path& path) {
  const ArtifactCache cache = ArtifactCache::open(path);
  EXPECT_FALSE(cache.writable());
  const auto bytes = guest_bytes("echo");
  EXPECT_EQ(compile(engine(), bytes, &cache).value().origin, Origin::Compiled);
  EXPECT_EQ(compile(engine(), bytes, &cache).value().origin, Origin::Compiled);
  EXPECT_TRUE(!fs::is_directory(path) || fs::is_empty(path)) << path;
}

TEST(ArtifactCacheOpen, UsesNoDirectoryThatIsOpenToOthers) {
  const TestDirectory directory;
  const fs::path open = directory.path() / "open";
  for (const auto others : {fs::perms::others_write, fs::perms::group_write, fs::perms::others_read}) {
    fs::create_directory(open);
    fs::permissions(open, fs::perms::owner_all | others);
    expect_no_cache(open);
  }
}

TEST(ArtifactCacheOpen, UsesNoDirectoryOfSomebodyElse) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "only root gives files away";
  }
  const TestDirectory directory;
  const fs::path foreign = directory.path() / "foreign";
  fs::create_directory(foreign);
  fs::permissions(foreign, fs::perms::owner_all);
  ASSERT_EQ(chown(foreign.c_str(), 4711, 4711), 0);
  expect_no_cache(foreign);
}

TEST(ArtifactCacheOpen, UsesNoLinkAndNoFile) {
  const TestDirectory directory;
  fs::create_directory(directory.path() / "real");
  fs::permissions(directory.path() / "real", fs::perms::owner_all);
  fs::create_symlink(directory.path() / "real", directory.path() / "link");
  expect_no_cache(directory.path() / "link");
  expect_no_cache(directory.path() / "link/");
  std::ofstream(directory.path() / "file") << "x";
  expect_no_cache(directory.path() / "file");
}

TEST(ArtifactCacheOpen, GoesOnWithoutADirectoryThatCannotBeMade) {
  const TestDirectory directory;
  std::ofstream(directory.path() / "file") << "x";
  const auto cache = ArtifactCache::open(directory.path() / "file" / "below");
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
  const auto filled = ArtifactCache::open(fixed);
  ASSERT_EQ(compile(engine(), bytes, &filled).value().origin, Origin::Compiled);
  fs::permissions(fixed, fs::perms::owner_read | fs::perms::owner_exec);
  const auto cache = ArtifactCache::open(fixed);
  EXPECT_FALSE(cache.writable());
  EXPECT_EQ(compile(engine(), bytes, &cache).value().origin, Origin::Cache);
  fs::permissions(fixed, fs::perms::owner_all);
}

}  // namespace
}  // namespace trilby::wasm
