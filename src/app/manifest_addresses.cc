#include "app/manifest_addresses.h"

#include <array>

#include <arpa/inet.h>

#include "base/number.h"

namespace trilby::app {
namespace {

struct Use {
  std::string field;
  Address address;
};

std::vector<Use> all_addresses(const Manifest& manifest) {
  std::vector<Use> uses = {{"admin.listen", manifest.admin}};
  for (const App& app : manifest.apps) {
    uses.push_back({fmt::format("app.{}.port", app.id), {"127.0.0.1", app.port}});
    if (app.public_address) {
      uses.push_back({fmt::format("app.{}.public", app.id), *app.public_address});
    }
  }
  return uses;
}

/// A socket on "::" takes no IPv4 connections (net/socket.h), so the two families never meet.
bool overlap(const Address& a, const Address& b) {
  const auto any = [](const Address& address) { return address.host == "0.0.0.0" || address.host == "::"; };
  const auto v6 = [](const Address& address) { return address.host.find(':') != std::string::npos; };
  return a.port == b.port && a.port != 0 && v6(a) == v6(b) && (a.host == b.host || any(a) || any(b));
}

}  // namespace

std::string format(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t least) {
  const auto port = parse_number<std::uint16_t>(text);
  return port && *port >= least ? port : std::nullopt;
}

Result<Address> parse_address(std::string_view text) {
  const auto wrong = [&] {
    return fail(Reason::Manifest, "\"{}\" is no address; write an IP address and a port, as in \"127.0.0.1:8080\"",
                text);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return wrong();
  }
  const auto port = parse_port(text.substr(colon + 1), 0);
  if (!port) {
    return wrong();
  }
  Address address{std::string(text.substr(0, colon)), *port};
  int family = AF_INET;
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
    family = AF_INET6;
  }
  std::array<unsigned char, sizeof(in6_addr)> binary;
  if (address.host.find('\0') != std::string::npos || inet_pton(family, address.host.c_str(), binary.data()) != 1) {
    return wrong();
  }
  return address;
}

std::vector<AddressClash> address_clashes(const Manifest& manifest) {
  const std::vector<Use> uses = all_addresses(manifest);
  std::vector<AddressClash> clashes;
  for (std::size_t later = 1; later < uses.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (!overlap(uses[earlier].address, uses[later].address)) {
        continue;
      }
      // The admin's default address comes first here, but the app's field is not to blame alone: say where the other
      // one is from.
      const auto stated = manifest.origins.find(uses[earlier].field);
      const auto own = manifest.origins.find(uses[later].field);
      const std::uint32_t line = own == manifest.origins.end() ? 0 : own->second.source.line;
      const std::string where = stated == manifest.origins.end() ? " (its default)"
                                : stated->second.source.line == 0
                                    ? ""
                                    : fmt::format(" (line {})", stated->second.source.line);
      clashes.push_back({line, uses[later].field,
                         fmt::format("port {} is taken by {}{}; give each its own", uses[later].address.port,
                                     uses[earlier].field, where)});
      break;
    }
  }
  return clashes;
}

}  // namespace trilby::app
