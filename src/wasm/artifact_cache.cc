#include "wasm/artifact_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "wasm/c_api.h"

namespace trilby::wasm {
namespace {

constexpr std::string_view kMagic = "TRILBY1\n";
using Digest = std::array<std::byte, 32>;
constexpr std::size_t kHeader = kMagic.size() + sizeof(Digest);
constexpr std::size_t kMaxEntry = std::size_t{1} << 30U;
constexpr std::size_t kTemporaryStem = 16;  // digits of the key in the name of a file that is being written
constexpr std::size_t kMaxListed = 100'000;
constexpr std::int64_t kLatestSecond = 1LL << 32U;        // of a file, for its time must fit a time_point
constexpr auto kAbandonedAfter = std::chrono::hours(1);   // nobody writes one entry for so long
constexpr auto kUsedAgainAfter = std::chrono::hours(24);  // how exactly the time of the last use is kept

std::string error_text(int error) {
  return std::system_category().message(error);
}

/// SHA-256 over several pieces, each preceded by its length so that no two lists of pieces look alike.
Digest digest(std::initializer_list<std::span<const std::byte>> pieces) {
  const std::unique_ptr<EVP_MD_CTX, CDelete<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  Digest result{};
  bool fine = EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  for (const auto piece : pieces) {
    const std::uint64_t length = piece.size();
    fine = fine && EVP_DigestUpdate(context.get(), &length, sizeof length) == 1 &&
           EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
  }
  fine = fine && EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(result.data()), nullptr) == 1;
  if (!fine) {
    std::abort();  // SHA-256 fails only without memory; going on would let entries pass unchecked
  }
  return result;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::filesystem::path default_directory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::filesystem::path(cache) / "trilby" / "aot";
  }
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/nonexistent") / ".cache" / "trilby" / "aot";
}

/// Ours, and writable by nobody else.
bool is_private(const struct stat& status) {
  return status.st_uid == geteuid() && (status.st_mode & 022U) == 0;
}

void warn_unusable(const std::string& directory, std::string_view why) {
  log::warn("the cache of compiled code cannot be used fully; every start compiles anew",
            {{"directory", directory}, {"why", why}});
}

/// "64 hexadecimal digits": what artifact_key() makes.
bool is_entry_name(std::string_view name) {
  return name.size() == 2 * sizeof(Digest) &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// What write() makes and renames.
bool is_temporary_name(std::string_view name) {
  return name.size() > kTemporaryStem + 1 && name[0] == '.' && name[kTemporaryStem + 1] == '-' &&
         name.find_first_not_of("0123456789abcdef-", 1) == std::string_view::npos;
}

std::chrono::system_clock::time_point time_of(const timespec& time) {
  return std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
      std::chrono::seconds(std::clamp<std::int64_t>(time.tv_sec, 0, kLatestSecond)) +
      std::chrono::nanoseconds(time.tv_nsec)));
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return false;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

std::string artifact_key(const Engine& engine, std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string key;
  for (const std::byte byte : digest({bytes_of(engine.fingerprint()), bytes})) {
    key += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    key += kDigits[std::to_integer<unsigned>(byte) & 15U];
  }
  return key;
}

ArtifactCache ArtifactCache::open(std::filesystem::path directory) {
  if (directory.empty()) {
    directory = default_directory();
  }
  if (!directory.has_filename()) {
    directory = directory.parent_path();  // behind a final slash, the system follows a link whatever we say
  }
  std::error_code error;
  if (directory.has_parent_path()) {
    std::filesystem::create_directories(directory.parent_path(), error);  // what fails here fails again below
  }
  const std::string path = directory.native();
  const bool made = mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
  const int fd = made ? ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  const int failure = errno;
  ArtifactCache cache(std::move(directory), fd);
  if (fd < 0) {
    const bool is_something_else = made && (failure == ELOOP || failure == ENOTDIR);
    warn_unusable(
        path, is_something_else ? "it is a link or no directory; remove it or choose another" : error_text(failure));
    return cache;
  }
  struct stat status{};
  if (fstat(fd, &status) != 0 || status.st_uid != geteuid() || (status.st_mode & 077U) != 0) {
    warn_unusable(
        path,
        "it belongs to another user or is open to others, and what it holds is run as code; run `chmod 700` on "
        "it or remove it");
    close(std::exchange(cache.fd_, -1));
    return cache;
  }
  cache.writable_ = faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
  if (!cache.writable_) {
    warn_unusable(path, error_text(errno));
  }
  return cache;
}

ArtifactCache::ArtifactCache(ArtifactCache&& other) noexcept
    : directory_(std::move(other.directory_)),
      fd_(std::exchange(other.fd_, -1)),
      writable_(std::exchange(other.writable_, false)) {}

ArtifactCache& ArtifactCache::operator=(ArtifactCache&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(fd_, other.fd_);
  std::swap(writable_, other.writable_);
  return *this;
}

ArtifactCache::~ArtifactCache() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

Result<std::vector<std::byte>> ArtifactCache::read(int file, const std::string& key) const {
  struct stat status{};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || !is_private(status)) {
    return fail(Reason::Internal, "it is no file of ours alone");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size <= kHeader || size > kMaxEntry) {
    return fail(Reason::Internal, "its size of {} bytes cannot be right", size);
  }
  std::vector<std::byte> bytes(size);
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::read(file, bytes.data() + filled, size - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return fail(Reason::Internal, "it cannot be read whole");
    }
    filled += static_cast<std::size_t>(got);
  }
  const std::span<const std::byte> all(bytes);
  const Digest expected = digest({bytes_of(key), all.subspan(kHeader)});
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0 ||
      std::memcmp(bytes.data() + kMagic.size(), expected.data(), expected.size()) != 0) {
    return fail(Reason::Internal, "its digest does not fit its content and name");
  }
  return bytes;
}

ArtifactCache::Entry ArtifactCache::load(const Engine& engine, const std::string& key) const {
  if (fd_ < 0) {
    return {};
  }
  // O_NONBLOCK: an entry that is a pipe must not hold us up.
  const File file(openat(fd_, key.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.fd() < 0 && errno == ENOENT) {
    return {};
  }
  const auto refuse = [&](const std::string& why) {
    log::warn("an entry of the cache of compiled code is refused; it is compiled again",
              {{"entry", key}, {"why", why}});
    unlinkat(fd_, key.c_str(), 0);
    return Entry{nullptr, true};
  };
  if (file.fd() < 0) {
    return refuse(error_text(errno));
  }
  const auto bytes = read(file.fd(), key);
  if (!bytes) {
    return refuse(bytes.error().message);
  }
  wasmtime_module_t* raw = nullptr;
  const auto* code = reinterpret_cast<const std::uint8_t*>(bytes->data()) + kHeader;
  const ErrorPtr error(wasmtime_module_deserialize(engine.raw(), code, bytes->size() - kHeader, &raw));
  if (error) {
    return refuse(message_of(*error));
  }
  note_use(file.fd());
  return Entry{std::make_shared<const Module>(raw), false};
}

/// The time of the last use is that of the last change, which the content no longer needs.
void ArtifactCache::note_use(int file) const {
  struct stat status{};
  if (fstat(file, &status) == 0 && std::chrono::system_clock::now() - time_of(status.st_mtim) > kUsedAgainAfter) {
    (void)futimens(file, nullptr);  // in a cache that cannot be written nothing is removed either
  }
}

void ArtifactCache::tidy(const Bounds& bounds, std::chrono::system_clock::time_point now) const {
  struct Found {
    std::string name;
    std::chrono::system_clock::time_point used;
    std::uint64_t size = 0;
  };
  if (!writable_) {
    return;
  }
  const int opened = openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opened < 0 ? nullptr : fdopendir(opened), &closedir);
  std::vector<Found> kept;
  std::uint64_t size = 0;
  std::size_t removed = 0;
  const auto remove = [&](const std::string& name) { removed += unlinkat(fd_, name.c_str(), 0) == 0 ? 1 : 0; };
  for (std::size_t listed = 0; folder && listed < kMaxListed; ++listed) {
    const dirent* item = readdir(folder.get());
    if (item == nullptr) {
      break;
    }
    const std::string name = item->d_name;
    struct stat status{};
    if (!(is_entry_name(name) || is_temporary_name(name)) ||
        fstatat(fd_, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;  // not ours to judge
    }
    const auto used = time_of(status.st_mtim);
    if (now - used > (is_entry_name(name) ? Duration(bounds.unused) : Duration(kAbandonedAfter))) {
      remove(name);
    } else if (is_entry_name(name)) {
      kept.push_back({name, used, static_cast<std::uint64_t>(status.st_size)});
      size += kept.back().size;
    }
  }
  std::sort(kept.begin(), kept.end(), [](const Found& a, const Found& b) { return a.used < b.used; });
  for (const Found& entry : kept) {
    if (size <= bounds.size.count) {
      break;
    }
    remove(entry.name);
    size -= entry.size;
  }
  if (removed > 0) {
    log::info("the cache of compiled code was tidied", {{"directory", directory_.native()}, {"removed", removed}});
  }
}

Result<void> ArtifactCache::write(const std::string& key, std::span<const std::byte> code) const {
  static std::atomic<unsigned> serial{0};
  const std::string temporary = fmt::format(".{}-{}-{}", key.substr(0, kTemporaryStem), getpid(), serial.fetch_add(1));
  const File file(openat(fd_, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.fd() < 0) {
    return fail(Reason::Internal, "{}", error_text(errno));
  }
  const Digest expected = digest({bytes_of(key), code});
  if (!write_all(file.fd(), bytes_of(kMagic)) || !write_all(file.fd(), expected) || !write_all(file.fd(), code) ||
      renameat(fd_, temporary.c_str(), fd_, key.c_str()) != 0) {
    const int error = errno;
    unlinkat(fd_, temporary.c_str(), 0);
    return fail(Reason::Internal, "{}", error_text(error));
  }
  return {};
}

void ArtifactCache::store(const std::string& key, const Module& module) const {
  if (!writable_) {
    return;
  }
  ByteVec code;
  const ErrorPtr error(wasmtime_module_serialize(module.raw(), &code));
  const auto written = error ? fail(Reason::Internal, "{}", message_of(*error)) : write(key, bytes_of(code.view()));
  if (!written) {
    log::warn("compiled code could not be kept; the next start compiles it again",
              {{"directory", directory_.native()}, {"why", written.error().message}});
  }
}

}  // namespace trilby::wasm
