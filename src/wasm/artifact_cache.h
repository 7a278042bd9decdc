/// \file  Compiled code on disk.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "wasm/engine.h"
#include "wasm/module.h"

namespace trilby::wasm {

/// Loading compiled code means to run it, and the engine checks no content. So the directory must be ours and closed to
/// others, entries are opened without following links, and their digest is verified over the very bytes that are
/// loaded. This guards against corruption and other users, not against the same user. Threading: any; several processes
/// may share a directory. Entries are only ever replaced as a whole.
class ArtifactCache {
 public:
  /// Creates the directory (0700) if need be. Empty `directory`: the user's cache folder, `$XDG_CACHE_HOME/trilby/aot`.
  /// A place that cannot be made, read or written, or is something else than a directory of ours alone, is said in the
  /// log with the mend and no error: less or nothing is kept then, and starts take longer.
  static ArtifactCache open(std::filesystem::path directory = {});
  ArtifactCache(ArtifactCache&& other) noexcept;
  ArtifactCache& operator=(ArtifactCache&& other) noexcept;
  ~ArtifactCache();

  struct Entry {
    std::shared_ptr<const Module> module;  ///< null: compile it
    bool refused = false;  ///< there was an entry, and it was not to be trusted; said in the log and removed
  };
  [[nodiscard]] Entry load(const Engine& engine, const std::string& key) const;
  /// Keeps `module`; a failure is said in the log and harms nothing else.
  void store(const std::string& key, const Module& module) const;

  /// How much is kept.
  struct Bounds {
    Bytes size{2ULL << 30U};
    Duration unused = std::chrono::hours(24 * 30);  ///< how long an entry is kept that nobody uses
  };
  /// Removes entries that were not used for long, then those that were not used longest until the rest fits, and what
  /// others left half-written when they were killed. Call it when the entries that are needed have been loaded. Other
  /// processes may use, write and tidy the directory at the same time: what they miss, they compile.
  void tidy(const Bounds& bounds, std::chrono::system_clock::time_point now) const;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] bool writable() const { return writable_; }

 private:
  ArtifactCache(std::filesystem::path directory, int fd) : directory_(std::move(directory)), fd_(fd) {}
  [[nodiscard]] Result<std::vector<std::byte>> read(int file, const std::string& key) const;
  void note_use(int file) const;
  [[nodiscard]] Result<void> write(const std::string& key, std::span<const std::byte> code) const;

  std::filesystem::path directory_;
  int fd_;  // of the directory, so that a swapped path cannot mislead us; -1: there is none
  bool writable_ = false;
};

/// The name of an entry: 64 hexadecimal digits, the SHA-256 of the module's bytes and of all else that its code depends
/// on.
[[nodiscard]] std::string artifact_key(const Engine& engine, std::span<const std::byte> bytes);

}  // namespace trilby::wasm
