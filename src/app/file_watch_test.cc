#include "app/file_watch.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <poll.h>

namespace trilby::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr Clock::time_point kStart{};

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() : folder(fs::path(testing::TempDir()) / fmt::format("file-watch-{}", getpid())) {
    fs::remove_all(folder);
    fs::create_directories(folder);
    write_text(file, "one");
    watch.watch({file});
  }
  ~FileWatchTest() override { fs::remove_all(folder); }

  /// Whether the kernel has told of anything. It does so before the call that causes it returns.
  [[nodiscard]] bool has_events() const {
    pollfd polled{watch.descriptor(), POLLIN, 0};
    return poll(&polled, 1, 0) == 1;
  }

  const fs::path folder;
  const fs::path file = folder / "file";
  FileWatch watch = FileWatch::create().value();
};

TEST_F(FileWatchTest, NothingHasChangedAtFirst) {
  EXPECT_FALSE(has_events());
  EXPECT_FALSE(watch.due());
  EXPECT_FALSE(watch.take_change());
}

TEST_F(FileWatchTest, SeesAFileWrittenAnew) {
  write_text(file, "two!");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), file);
  EXPECT_FALSE(watch.take_change()) << "it is known now";
}

TEST_F(FileWatchTest, SeesAFileRenamedOverIt) {
  write_text(folder / ".file.swp", "two");
  fs::rename(folder / ".file.swp", file);
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), file);
}

TEST_F(FileWatchTest, SeesAFileGoAndComeBack) {
  fs::remove(file);
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), file);
  watch.on_events(kStart);
  write_text(file, "one");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), file);
}

TEST_F(FileWatchTest, TakesNoNoticeOfOthersInTheFolder) {
  write_text(folder / "log", "a line");
  EXPECT_FALSE(watch.take_change());
}

TEST_F(FileWatchTest, SeesAFileWhoseFolderIsMadeLater) {
  const fs::path later = folder / "a" / "b" / "later";
  watch.watch({later});
  fs::create_directories(later.parent_path().parent_path());
  EXPECT_TRUE(has_events());
  watch.on_events(kStart);
  EXPECT_FALSE(watch.take_change());
  fs::create_directories(later.parent_path());
  EXPECT_TRUE(has_events()) << "the watch went down the way";
  watch.on_events(kStart);
  EXPECT_FALSE(watch.take_change());
  write_text(later, "x");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), later);
}

TEST_F(FileWatchTest, SeesAFolderReplacedByAnother) {
  fs::create_directories(folder / "build");
  write_text(folder / "build" / "module", "one");
  watch.watch({folder / "build" / "module"});
  fs::remove_all(folder / "build");
  watch.on_events(kStart);
  EXPECT_TRUE(watch.take_change());
  fs::create_directories(folder / "build");
  watch.on_events(kStart);
  EXPECT_FALSE(watch.take_change());
  watch.on_events(kStart);
  write_text(folder / "build" / "module", "two");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), folder / "build" / "module");
}

TEST_F(FileWatchTest, SeesALinkOnTheWayTurnedToAnotherFile) {
  fs::create_directories(folder / "v1");
  fs::create_directories(folder / "v2");
  write_text(folder / "v1" / "m", "one");
  write_text(folder / "v2" / "m", "two");
  fs::create_directory_symlink("v1", folder / "data");
  fs::create_symlink("data/m", folder / "m");
  watch.watch({folder / "m"});
  fs::create_directory_symlink("v2", folder / "new");
  fs::rename(folder / "new", folder / "data");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), folder / "m");
}

TEST_F(FileWatchTest, SeesALinkToItsFolderTurnedToAnother) {
  fs::create_directories(folder / "v1");
  fs::create_directories(folder / "v2");
  write_text(folder / "v1" / "m", "one");
  write_text(folder / "v2" / "m", "two");
  for (const fs::path& target : {fs::path("v1"), folder / "v1", fs::path("./../") / folder.filename() / "v1"}) {
    fs::remove(folder / "current");
    fs::create_directory_symlink(target, folder / "current");
    watch.watch({});
    watch.on_events(kStart);
    watch.watch({folder / "current" / "m"});
    EXPECT_FALSE(has_events());
    fs::create_directory_symlink("v2", folder / "new");
    fs::rename(folder / "new", folder / "current");
    EXPECT_TRUE(has_events()) << target;
    EXPECT_EQ(watch.take_change(), folder / "current" / "m");
    watch.on_events(kStart);
    write_text(folder / "v2" / "m", "two again" + target.string());
    EXPECT_TRUE(has_events()) << "it is watched where it is now";
    EXPECT_EQ(watch.take_change(), folder / "current" / "m");
  }
}

TEST_F(FileWatchTest, SeesLinksThatLeadNowhereOrInCirclesMended) {
  fs::create_directory_symlink("b", folder / "a");
  fs::create_directory_symlink("a", folder / "b");
  fs::create_symlink("gone/m", folder / "dangling");
  watch.watch({folder / "a" / "m", folder / "dangling"});
  fs::remove(folder / "b");
  fs::create_directories(folder / "b");
  EXPECT_TRUE(has_events());
  watch.on_events(kStart);
  EXPECT_FALSE(watch.take_change());
  write_text(folder / "b" / "m", "one");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), folder / "a" / "m");
  watch.on_events(kStart);
  fs::create_directories(folder / "gone");
  EXPECT_TRUE(has_events());
  watch.on_events(kStart);
  EXPECT_FALSE(watch.take_change());
  write_text(folder / "gone" / "m", "one");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), folder / "dangling");
}

TEST_F(FileWatchTest, SeesTheTargetOfALinkInAnotherFolder) {
  fs::create_directories(folder / "elsewhere");
  write_text(folder / "elsewhere" / "m", "one");
  fs::create_symlink("elsewhere/m", folder / "link");
  watch.watch({folder / "link"});
  write_text(folder / "elsewhere" / "m", "two!");
  EXPECT_TRUE(has_events());
  EXPECT_EQ(watch.take_change(), folder / "link");
}

TEST_F(FileWatchTest, WaitsUntilItIsQuietButNotForEver) {
  watch.on_events(kStart);
  EXPECT_EQ(watch.due(), kStart + 100ms);
  watch.on_events(kStart + 60ms);
  EXPECT_EQ(watch.due(), kStart + 160ms);
  watch.on_events(kStart + 970ms);
  EXPECT_EQ(watch.due(), kStart + 1s);
  EXPECT_FALSE(watch.take_change());
  EXPECT_FALSE(watch.due());
}

TEST_F(FileWatchTest, AnotherListKeepsChangesNotYetTaken) {
  write_text(folder / "other", "x");
  write_text(file, "two!");
  watch.watch({file, folder / "other"});
  EXPECT_EQ(watch.take_change(), file);
}

TEST_F(FileWatchTest, ForgottenChangesAreNone) {
  write_text(file, "two!");
  EXPECT_TRUE(watch.forget_changes());
  EXPECT_FALSE(watch.take_change());
  EXPECT_FALSE(watch.forget_changes()) << "there are none any more";
}

}  // namespace
}  // namespace trilby::app
