#include "app/supervisor_sockets.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include <linux/filter.h>
#include <sys/socket.h>

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
    out.push_back({{ListenerKind::AppChannel, app.id, {"127.0.0.1", app.port}, has_tls(app.protocol)},
                   fmt::format("app.{}.port", app.id),
                   fmt::format("--port {}=0", app.id)});
    if (app.public_address) {
      out.push_back({{ListenerKind::Public, app.id, *app.public_address, app.tls.has_value()},
                     fmt::format("app.{}.public", app.id),
                     fmt::format("--port {}.public=0", app.id)});
    }
  }
  out.push_back({{ListenerKind::Admin, {}, manifest.admin, false}, "admin.listen", "--admin-port 0"});
  return out;
}

std::string place(const Manifest& manifest, const std::string& field) {
  const auto stated = manifest.origins.find(field);
  const bool written = stated != manifest.origins.end() && stated->second.origin == Origin::Manifest;
  return written ? fmt::format("{}:{}: ", manifest.path.string(), stated->second.source.line) : std::string();
}

bool same(const Address& a, const Address& b) {
  return a.host == b.host && a.port == b.port;
}

/// Those of `held` that go on, by the index of the one who wants them. Who asks for what it had comes first, so that
/// nobody else takes it away.
std::vector<const OpenListener*> claim(const std::vector<Wanted>& wanted, std::span<const OpenListener> held) {
  std::vector<const OpenListener*> claimed(wanted.size(), nullptr);
  const auto claim_by = [&](auto matches) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto is_free = [&](const OpenListener& one) {
        return std::find(claimed.begin(), claimed.end(), &one) == claimed.end();
      };
      const auto at = std::find_if(held.begin(), held.end(), [&](const OpenListener& one) {
        return claimed[i] == nullptr && matches(wanted[i].bound, one) && is_free(one);
      });
      if (at != held.end()) {
        claimed[i] = &*at;
      }
    }
  };
  claim_by([](const BoundAddress& want, const OpenListener& have) {
    return want.kind == have.bound.kind && want.app == have.bound.app && same(want.address, have.wanted);
  });
  claim_by([](const BoundAddress& want, const OpenListener& have) { return same(want.address, have.bound.address); });
  return claimed;
}

}  // namespace

Result<std::vector<OpenListener>> open_listeners(const Manifest& manifest, std::span<const OpenListener> held) {
  std::vector<Wanted> all = wanted_listeners(manifest);
  const std::vector<const OpenListener*> claimed = claim(all, held);
  std::vector<OpenListener> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Wanted& wanted = all[i];
    const Address as_wanted = wanted.bound.address;
    Address& address = wanted.bound.address;
    if (claimed[i] != nullptr) {
      address.port = claimed[i]->bound.address.port;
      out.push_back({std::move(wanted.bound), as_wanted, claimed[i]->socket});
      continue;
    }
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
    out.push_back({std::move(wanted.bound), as_wanted, std::make_shared<const net::Socket>(std::move(*socket))});
  }
  return out;
}

void refuse_connections(const net::Socket& listening) {
  constexpr std::uint32_t kFlagsOffset = 13;  // of the TCP header, where a socket's filter begins to look
  constexpr std::uint32_t kSyn = 0x02;
  constexpr std::uint32_t kWhole = 0xffffffff;
  std::array<sock_filter, 4> drop_syn = {{BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsOffset),
                                          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kSyn, 0, 1),
                                          BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, kWhole)}};
  const sock_fprog program = {static_cast<unsigned short>(drop_syn.size()), drop_syn.data()};
  // Where the kernel refuses the filter, who connects in the last milliseconds may be reset.
  (void)setsockopt(listening.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace trilby::app
