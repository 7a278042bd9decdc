#include "app/directories.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "net/socket.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

/// Something that no function may write to, and what to call it.
struct Precious {
  std::string what;
  fs::path path;
};

fs::path real(const fs::path& path) {
  std::error_code error;
  fs::path found = fs::weakly_canonical(path, error);
  return error ? path : found;
}

std::vector<Precious> precious(const Manifest& manifest, const fs::path& cache) {
  std::vector<Precious> all = {{"this manifest", manifest.path}, {"compiled code", cache}};
  for (const Function& function : manifest.functions) {
    all.push_back({fmt::format("the module of {}", function.name), function.module});
  }
  for (const Model& model : manifest.models) {
    all.push_back({fmt::format("the model {}", model.name), model.path});
  }
  for (const Secret& secret : manifest.secrets) {
    if (!secret.file.empty()) {
      all.push_back({fmt::format("the secret {}", secret.name), secret.file});
    }
  }
  std::error_code error;
  all.push_back({"the program trilby", fs::read_symlink("/proc/self/exe", error)});
  return all;
}

/// Whether `path` is `folder` or below it.
bool is_within(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

/// \return what keeps `directory` from being granted; empty when nothing does
std::string defect_of(const policy::Directory& directory) {
  const net::Socket opened(::open(directory.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) {
    switch (errno) {
      case ENOENT:
        return fmt::format("there is no folder {}; make it, as in mkdir -p {}", directory.path, directory.path);
      case ENOTDIR:
        return fmt::format("{} is no folder", directory.path);
      default:
        return fmt::format("{} cannot be opened: {}", directory.path, std::strerror(errno));
    }
  }
  if (directory.write && ::faccessat(AT_FDCWD, directory.path.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return fmt::format("{} cannot be written to: {}", directory.path, std::strerror(errno));
  }
  return {};
}

/// The line of the manifest that grants it.
Source source_of(const Manifest& manifest, const Function& function, const std::string& field) {
  for (const char* member : {"", ".path"}) {
    if (const auto at = manifest.origins.find(field + member); at != manifest.origins.end()) {
      return at->second.source;
    }
  }
  return function.source;
}

}  // namespace

Result<void> check_directories(const Manifest& manifest, const Function& function, const fs::path& cache) {
  for (const policy::Directory& directory : function.policy.grants.directories) {
    std::string defect = defect_of(directory);
    const fs::path folder = real(directory.path);
    if (defect.empty() && directory.write) {
      for (const Precious& each : precious(manifest, cache)) {
        const fs::path path = real(each.path);
        // Compiled code is a folder: what lies in it is no function's either.
        if (!path.empty() && (is_within(path, folder) || (each.path == cache && is_within(folder, path)))) {
          defect = fmt::format("{} holds {}, which no function may write to; grant a folder of its own",
                               folder.string(), each.what);
          break;
        }
      }
    }
    if (!defect.empty()) {
      const std::string field = fmt::format("function.{}.allow.directories.{}", function.name, directory.mount);
      return fail(Reason::Manifest, "{}:{}: {}: {}", manifest.path.string(), source_of(manifest, function, field).line,
                  field, defect);
    }
  }
  return {};
}

}  // namespace trilby::app
