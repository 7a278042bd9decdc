// Any text at all: either a manifest that is consistent in itself, or a message for a person.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "app/manifest.h"
#include "app/manifest_addresses.h"
#include "app/manifest_settings.h"
#include "base/text.h"

namespace {

void require(bool fact) {
  if (!fact) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trilby;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto manifest = app::parse_manifest(text, "/m/trilby.toml");
  if (!manifest) {
    require(manifest.error().reason == Reason::Manifest);
    require(manifest.error().message.starts_with("/m/trilby.toml:") && is_utf8(manifest.error().message));
    return 0;
  }
  require(app::address_clashes(*manifest).empty());
  for (const app::Function& function : manifest->functions) {
    require(policy::validate(function.policy.limits).has_value());
  }
  for (const app::App& app : manifest->apps) {
    auto change = app::parse_port_override(app.id + "=0", app::Origin::Flag, "--port");
    require(change && app::apply(*manifest, {*change}));
  }
  return 0;
}
