#include "app/secrets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/manifest_grants.h"
#include "policy/environment.h"

namespace trilby::app {
namespace {

void wipe(std::vector<char>& value) {
  policy::wipe(value.data(), value.size());
}

/// Closes a descriptor at the end of a scope.
struct Descriptor {
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) {
      close(fd);
    }
  }
  const int fd;
};

Result<std::vector<char>> read_file(const std::filesystem::path& path) {
  // Not blocking, for what is named may be a pipe that nobody writes to.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (file.fd < 0 || fstat(file.fd, &status) != 0) {
    return fail(Reason::Manifest, "{} cannot be read: {}", path.string(), std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Reason::Manifest, "{} is no regular file", path.string());
  }
  std::vector<char> value(kMaxValueBytes + 3);  // one more than fits with its line end
  std::size_t size = 0;
  while (size < value.size()) {
    const ssize_t count = read(file.fd, value.data() + size, value.size() - size);
    if (count < 0 && errno != EINTR) {
      const int error = errno;
      wipe(value);
      return fail(Reason::Manifest, "{} cannot be read: {}", path.string(), std::strerror(error));
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }
  value.resize(size);  // never reallocates
  return value;
}

Result<std::vector<char>> read_variable(const std::string& name) {
  const char* text = std::getenv(name.c_str());
  if (text == nullptr) {
    return fail(Reason::Manifest, "the environment has no variable {}", name);
  }
  return std::vector<char>(text, text + std::min(std::strlen(text), kMaxValueBytes + 3));
}

/// Takes one line end off, and says what keeps the rest from being a secret.
std::string_view trim(std::vector<char>& value) {
  if (!value.empty() && value.back() == '\n') {
    value.pop_back();
    if (!value.empty() && value.back() == '\r') {
      value.pop_back();
    }
  }
  if (value.empty()) {
    return "is empty";
  }
  if (value.size() > kMaxValueBytes) {
    return "has more than 32KiB";
  }
  return std::find(value.begin(), value.end(), '\0') != value.end() ? "has a null character" : "";
}

}  // namespace

Secrets::~Secrets() {
  for (auto& [name, value] : values_) {
    wipe(value);
  }
}

Result<Secrets> Secrets::load(const Manifest& manifest, const std::function<bool(const Secret&)>& wanted) {
  Secrets secrets;
  for (const Secret& secret : manifest.secrets) {
    if (!wanted(secret)) {
      continue;
    }
    auto value = secret.variable.empty() ? read_file(secret.file) : read_variable(secret.variable);
    const std::string defect(value ? std::string(trim(*value)) : value.error().message);
    if (!defect.empty()) {
      if (value) {
        wipe(*value);
      }
      return fail(Reason::Manifest, "{}:{}: secret.{}: {}{}", manifest.path.string(), secret.source.line, secret.name,
                  value ? "what it names " : "", defect);
    }
    secrets.values_.emplace(secret.name, std::move(*value));
  }
  return secrets;
}

const std::vector<char>* Secrets::find(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

void forget_secret_variables(const Manifest& manifest) {
  for (const Secret& secret : manifest.secrets) {
    if (char* text = secret.variable.empty() ? nullptr : std::getenv(secret.variable.c_str())) {
      policy::wipe(text, std::strlen(text));
    }
  }
}

}  // namespace trilby::app
