#include "app/ready_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"

namespace trilby::app {
namespace {

Result<void> write_new(const std::string& path, std::string_view content) {
  // O_EXCL: a link that somebody left there is not followed.
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) {
    return fail(Reason::Manifest, "cannot create {}: {}", path, std::strerror(errno));
  }
  const ssize_t written = write(file, content.data(), content.size());
  const int error = errno;
  close(file);
  if (written != static_cast<ssize_t>(content.size())) {
    unlink(path.c_str());
    return fail(Reason::Manifest, "cannot write {}: {}", path, written < 0 ? std::strerror(error) : "the disk is full");
  }
  return {};
}

}  // namespace

std::string url(const Address& address) {
  return "http://" + format(address);
}

std::string url(const BoundAddress& bound) {
  return (bound.tls ? "https://" : "http://") + format(bound.address);
}

const BoundAddress* routes_address(const RunningSystem& system, std::string_view app) {
  const BoundAddress* best = nullptr;
  for (const BoundAddress& bound : system.addresses) {
    if (bound.kind != ListenerKind::Admin && bound.app == app &&
        (best == nullptr || bound.kind == ListenerKind::Public)) {
      best = &bound;
    }
  }
  return best;
}

std::string ready_document(const RunningSystem& system) {
  std::string out;
  JsonWriter json(out);
  json.open_object();
  json.key("apps").open_object();
  for (const BoundAddress& channel : system.addresses) {
    if (channel.kind != ListenerKind::AppChannel) {
      continue;
    }
    const BoundAddress& routes = *routes_address(system, channel.app);
    json.key(channel.app).open_object().member("url", url(routes)).member("channel", url(channel));
    if (routes.kind == ListenerKind::Public) {
      json.member("public", url(routes));
    }
    if (const auto sidecar = system.sidecars.find(channel.app); sidecar != system.sidecars.end()) {
      json.member("sidecar", url({"127.0.0.1", sidecar->second}));
    }
    json.close_object();
  }
  json.close_object();
  for (const BoundAddress& bound : system.addresses) {
    if (bound.kind == ListenerKind::Admin) {
      json.member("admin", url(bound));
    }
  }
  json.member("supervisor", system.supervisor).member("worker", system.worker).close_object();
  return out;
}

Result<void> write_ready_file(const std::filesystem::path& path, std::string_view document) {
  const std::string temporary = fmt::format("{}.{}", path.string(), getpid());
  TRILBY_CHECK(write_new(temporary, document));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return fail(Reason::Manifest, "cannot write the ready file {}: {}", path.string(), std::strerror(error));
  }
  return {};
}

}  // namespace trilby::app
