#include "app/file_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>
#include <utility>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr Duration kQuiet = 100ms;  // an editor writes, renames and removes in one go
constexpr Duration kPatience = 1s;  // somebody may write into the same folder all the time
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

constexpr int kMostLinks = 40;  // as many as the kernel follows

/// The folders in which something may happen that makes `file` another: those of the links on the way to it, and its
/// own, or what is there of the way.
void add_folders(const fs::path& file, std::set<fs::path>& folders) {
  std::error_code error;
  fs::path at = file.root_path();
  std::vector<fs::path> ahead;  // the next one last
  const auto go = [&](const fs::path& way) {
    if (way.is_absolute()) {
      at = way.root_path();
    }
    const fs::path names = way.relative_path();
    const auto begin = static_cast<std::ptrdiff_t>(ahead.size());
    ahead.insert(ahead.end(), names.begin(), names.end());
    std::reverse(ahead.begin() + begin, ahead.end());
  };
  go(fs::absolute(file, error));
  int links = 0;
  while (!ahead.empty()) {
    const fs::path name = std::move(ahead.back());
    ahead.pop_back();
    if (name == "..") {
      at = at.parent_path();  // no part of it is a link
      continue;
    }
    if (name.empty() || name == ".") {
      continue;
    }
    const fs::path next = at / name;
    const fs::file_status status = fs::symlink_status(next, error);
    if (ahead.empty() || !fs::is_directory(status)) {
      folders.insert(at);
    }
    if (fs::is_directory(status)) {
      at = next;
    } else if (fs::is_symlink(status) && ++links <= kMostLinks) {
      go(fs::read_symlink(next, error));
    } else {
      return;
    }
  }
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Result<FileWatch> FileWatch::create() {
  FileWatch watch;
  watch.inotify_ = net::Socket(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.inotify_) {
    return fail(Reason::Internal, "cannot watch for changed files: {}", std::strerror(errno));
  }
  return watch;
}

void FileWatch::watch(const std::vector<fs::path>& files) {
  std::map<fs::path, Fingerprint> next;
  for (const fs::path& file : files) {
    const auto known = files_.find(file);
    next.emplace(file, known == files_.end() ? look(file) : known->second);
  }
  files_ = std::move(next);
  watch_folders();
}

bool FileWatch::forget_changes() {
  watch_folders();
  bool any = false;
  for (auto& [file, known] : files_) {
    const Fingerprint now = look(file);
    any = std::exchange(known, now) != now || any;
  }
  return any;
}

void FileWatch::on_events(Clock::time_point now) {
  std::array<char, 4096> events;
  while (read(inotify_.get(), events.data(), events.size()) > 0) {  // what is in them does not matter
  }
  first_event_ = first_event_.value_or(now);
  due_ = std::min(now + kQuiet, *first_event_ + kPatience);
}

std::optional<fs::path> FileWatch::take_change() {
  first_event_.reset();
  due_.reset();
  watch_folders();  // first, so that what changes while we look is seen next time
  std::optional<fs::path> changed;
  for (auto& [file, known] : files_) {
    const Fingerprint now = look(file);
    if (std::exchange(known, now) != now && !changed) {
      changed = file;
    }
  }
  return changed;
}

FileWatch::Fingerprint FileWatch::look(const fs::path& file) {
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) {
    return {};
  }
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

void FileWatch::watch_folders() {
  std::set<fs::path> wanted;
  for (const auto& [file, known] : files_) {
    add_folders(file, wanted);
  }
  for (auto at = folders_.begin(); at != folders_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
    } else {
      inotify_rm_watch(inotify_.get(), at->second);
      at = folders_.erase(at);
    }
  }
  // All of them each time: one folder may have taken the place of another.
  for (const fs::path& folder : wanted) {
    const int watch = inotify_add_watch(inotify_.get(), folder.c_str(), kEvents);
    const auto [at, is_new] = folders_.try_emplace(folder, -1);
    if (watch < 0 && (is_new || at->second >= 0)) {  // said once
      log::warn("cannot watch a folder for changes", {{"folder", folder.string()}, {"error", std::strerror(errno)}});
    }
    if (const int before = std::exchange(at->second, watch); before >= 0 && before != watch) {
      inotify_rm_watch(inotify_.get(), before);
    }
  }
}

}  // namespace trilby::app
