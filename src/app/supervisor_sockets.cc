#include "app/supervisor_sockets.h"

#include <string>
#include <utility>

#include "app/supervisor_port_owner.h"

namespace trilby::app {
namespace {

struct Wanted {
  BoundAddress bound;
  std::string field;     ///< of the manifest
  std::string override;  ///< the flag that moves it
};

std::vector<Wanted> wanted_listeners(const Manifest& manifest) {
  std::vector<Wanted> out;
  for (const App& app : manifest.apps) {
    out.push_back({{ListenerKind::AppChannel, app.id, {"127.0.0.1", app.port}},
                   fmt::format("app.{}.port", app.id),
                   fmt::format("--port {}=0", app.id)});
    if (app.public_address) {
      out.push_back({{ListenerKind::Public, app.id, *app.public_address},
                     fmt::format("app.{}.public", app.id),
                     fmt::format("--port {}.public=0", app.id)});
    }
  }
  out.push_back({{ListenerKind::Admin, {}, manifest.admin}, "admin.listen", "--admin-port 0"});
  return out;
}

std::string place(const Manifest& manifest, const std::string& field) {
  const auto stated = manifest.origins.find(field);
  const bool written = stated != manifest.origins.end() && stated->second.origin == Origin::Manifest;
  return written ? fmt::format("{}:{}: ", manifest.path.string(), stated->second.source.line) : std::string();
}

}  // namespace

Result<std::vector<OpenListener>> open_listeners(const Manifest& manifest) {
  std::vector<OpenListener> out;
  for (Wanted& wanted : wanted_listeners(manifest)) {
    Address& address = wanted.bound.address;
    auto socket = net::listen_tcp(address.host, address.port);
    if (!socket) {
      const auto owner = address.port == 0 ? std::nullopt : find_port_owner(address.port);
      const std::string where = place(manifest, wanted.field) + wanted.field;
      if (!owner) {
        return fail(Reason::Manifest, "{}: {}", where, socket.error().message);
      }
      return fail(Reason::Manifest,
                  "{}: {} is in use by {}\ntry: stop that, write another port, or add {} for any free one", where,
                  format(address), describe(*owner), wanted.override);
    }
    address.port = net::local_port(socket->get());
    out.push_back({std::move(wanted.bound), std::move(*socket)});
  }
  return out;
}

}  // namespace trilby::app
