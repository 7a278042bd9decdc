#include "triggers/files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "triggers/conditional.h"

namespace trilby::triggers {
namespace {

constexpr std::size_t kChunk = 64U << 10U;

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kSvg = "image/svg+xml";
constexpr std::array<std::pair<std::string_view, std::string_view>, 21> kMediaTypes = {{
    {".avif", "image/avif"},
    {".bmp", "image/bmp"},
    {".css", "text/css; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".gif", "image/gif"},
    {".htm", kHtml},
    {".html", kHtml},
    {".ico", "image/vnd.microsoft.icon"},
    {".jpeg", "image/jpeg"},
    {".jpg", "image/jpeg"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".pdf", "application/pdf"},
    {".png", "image/png"},
    {".svg", kSvg},
    {".txt", "text/plain; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".webmanifest", "application/manifest+json"},
    {".webp", "image/webp"},
    {".woff2", "font/woff2"},
}};

/// What a page of ours may do: load and ask its own origin, run scripts that are files, and nothing else.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A part of a file, read as it is asked for.
class FileBody final : public BodySource {
 public:
  FileBody(FileDescriptor file, std::uint64_t offset, std::uint64_t length)
      : file_(std::move(file)), offset_(offset), left_(length), length_(length) {}

  void read(OnChunk on_chunk) override {
    Chunk chunk;
    chunk.bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, left_)));
    if (!chunk.bytes.empty()) {
      ssize_t count = 0;
      do {
        count = ::pread(file_.get(), chunk.bytes.data(), chunk.bytes.size(), static_cast<off_t>(offset_));
      } while (count < 0 && errno == EINTR);
      if (count <= 0) {  // an empty read: the file was cut short after its length was announced
        return on_chunk(
            fail(Reason::UpstreamFailed, "reading a file: {}", count == 0 ? "it was cut short" : std::strerror(errno)));
      }
      chunk.bytes.resize(static_cast<std::size_t>(count));
    }
    offset_ += chunk.bytes.size();
    left_ -= chunk.bytes.size();
    chunk.last = left_ == 0;
    on_chunk(std::move(chunk));
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  FileDescriptor file_;
  std::uint64_t offset_;
  std::uint64_t left_;
  std::uint64_t length_;
};

bool has_hidden_segment(std::string_view relative) {
  return relative.starts_with('.') || relative.find("/.") != std::string_view::npos;
}

/// Changes whenever the file does. A hash, because the numbers themselves are nobody's business.
Validators validators_of(const struct stat& status) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const auto part :
       {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
        static_cast<std::uint64_t>(status.st_size), static_cast<std::uint64_t>(status.st_mtim.tv_sec),
        static_cast<std::uint64_t>(status.st_mtim.tv_nsec), static_cast<std::uint64_t>(status.st_ctim.tv_sec),
        static_cast<std::uint64_t>(status.st_ctim.tv_nsec)}) {
    hash = (hash ^ part) * 0x9e3779b97f4a7c15ULL;  // Fibonacci hashing, mixed downwards
    hash ^= hash >> 29U;
  }
  return {fmt::format("\"{:016x}\"", hash), status.st_mtim.tv_sec};
}

/// Why a file could not be opened, in the caller's view: there is nothing, unless we are at fault.
Outcome cannot_open(int error) {
  if (error == EMFILE || error == ENFILE || error == ENOMEM) {
    return refusal(Error{Reason::Overloaded, fmt::format("opening a file: {}", std::strerror(error))});
  }
  if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG) {
    return refusal(Reason::NotFound);
  }
  return refusal(Error{Reason::NotFound, fmt::format("opening a file: {}", std::strerror(error))});
}

Outcome answer(int status, std::unique_ptr<BodySource> body) {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = status;
  outcome.body = std::move(body);
  return outcome;
}

Outcome choose_answer(const Call& call, const Validators& current, FileDescriptor file, std::uint64_t size) {
  switch (check_preconditions(call.fields, current)) {
    case Precondition::Failed: {
      Outcome outcome = refusal(Reason::BadRequest, "the file is not the version that the request asks for");
      outcome.status = 412;
      return outcome;
    }
    case Precondition::NotModified:
      return answer(304, make_body({}));
    case Precondition::Holds:
      break;
  }
  const auto range = call.method == "GET" ? requested_range(call.fields, current, size) : std::nullopt;
  if (!range) {
    return answer(200, std::make_unique<FileBody>(std::move(file), 0, size));
  }
  if (range->length == 0) {
    Outcome outcome = refusal(Reason::BadRequest, "the range lies outside the file");
    outcome.status = 416;
    outcome.fields.add("content-range", fmt::format("bytes */{}", size));
    return outcome;
  }
  Outcome outcome = answer(206, std::make_unique<FileBody>(std::move(file), range->first, range->length));
  outcome.fields.add("content-range",
                     fmt::format("bytes {}-{}/{}", range->first, range->first + range->length - 1, size));
  return outcome;
}

}  // namespace

std::string_view media_type(std::string_view file_name) {
  const std::size_t dot = file_name.rfind('.');
  const std::string extension = ascii_lower(file_name.substr(std::min(dot, file_name.size())));
  const auto* at =
      std::find_if(kMediaTypes.begin(), kMediaTypes.end(), [&](const auto& row) { return row.first == extension; });
  return at == kMediaTypes.end() ? std::string_view("application/octet-stream") : at->second;
}

Result<std::shared_ptr<const FileSite>> FileSite::open(const std::filesystem::path& root) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(root, error);
  const auto status = error ? std::filesystem::file_status() : std::filesystem::status(real, error);
  const bool folder = std::filesystem::is_directory(status);
  if (!folder && !std::filesystem::is_regular_file(status)) {
    return fail(Reason::Manifest, "files = \"{}\": {}", root.string(),
                error ? error.message() : "it is neither a file nor a folder");
  }
  const std::filesystem::path from = folder ? real : real.parent_path();
  FileDescriptor opened(::open(from.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) {
    return fail(Reason::Manifest, "files = \"{}\": {}", root.string(), std::strerror(errno));
  }
  return std::shared_ptr<const FileSite>(
      new FileSite(std::move(opened), folder ? std::string() : real.filename().string()));
}

Outcome FileSite::serve(const Call& call, std::string_view relative) const {
  if (is_folder() && (relative.empty() || has_hidden_segment(relative))) {
    return refusal(Reason::NotFound);
  }
  const std::string path = is_folder() ? std::string(relative) : file_;
  FileDescriptor file = open_beneath(folder_.get(), path, check_);
  if (!file) {
    return cannot_open(errno);
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return refusal(Reason::NotFound);
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > kMaxFile.count) {
    return refusal(Error{Reason::NotFound,
                         fmt::format("a file of {} is over the limit of {}", format(Bytes{size}), format(kMaxFile))});
  }
  const Validators current = validators_of(status);
  Outcome outcome = choose_answer(call, current, std::move(file), size);
  outcome.fields.add("etag", current.etag);
  outcome.fields.add("last-modified", http_date(current.modified));
  outcome.fields.add("cache-control", "no-cache");
  outcome.fields.add("accept-ranges", "bytes");
  if (outcome.body && outcome.status != 304) {
    const std::string_view type = media_type(path);
    outcome.fields.add("content-type", std::string(type));
    if (type == kHtml || type == kSvg) {  // what a browser shows as a document, scripts and all
      outcome.fields.add("content-security-policy", kContentSecurityPolicy);
      outcome.fields.add("referrer-policy", "no-referrer");
    }
  }
  return outcome;
}

}  // namespace trilby::triggers
