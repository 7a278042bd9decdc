#include "app/supervisor_handover.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/number.h"

namespace trilby::app {
namespace {

constexpr std::array<std::pair<ListenerKind, std::string_view>, 3> kKinds = {
    {{ListenerKind::AppChannel, "channel"}, {ListenerKind::Public, "public"}, {ListenerKind::Admin, "admin"}}};

}  // namespace

std::string format(const Listener& listener) {
  const auto* row =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& kind) { return kind.first == listener.kind; });
  return fmt::format("{}:{}={}", row->second, listener.app, listener.socket);
}

Result<Listener> parse_listener(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::size_t equals = std::min(text.find('=', colon), text.size());
  const auto* row = std::find_if(kKinds.begin(), kKinds.end(),
                                 [&](const auto& kind) { return kind.second == text.substr(0, colon); });
  const auto socket = parse_number<int>(text.substr(std::min(equals + 1, text.size())));
  if (row == kKinds.end() || !socket || *socket < 0) {
    return fail(Reason::BadRequest, "\"{}\" is not KIND:APP=DESCRIPTOR", text);
  }
  Listener listener;
  listener.socket = *socket;
  listener.kind = row->first;
  listener.app = text.substr(colon + 1, equals - colon - 1);
  return listener;
}

std::vector<std::string> to_arguments(const Handover& handover) {
  std::vector<std::string> out = {"worker",
                                  "--manifest",
                                  handover.manifest_path.string(),
                                  "--manifest-fd",
                                  std::to_string(handover.manifest_fd),
                                  "--reports-fd",
                                  std::to_string(handover.reports_fd),
                                  "--orders-fd",
                                  std::to_string(handover.orders_fd),
                                  "--counts-fd",
                                  std::to_string(handover.counts_fd)};
  if (handover.beside) {
    out.emplace_back("--beside");
  }
  if (handover.through_sidecars) {
    out.emplace_back("--through-sidecars");
  }
  for (const Listener& listener : handover.listeners) {
    out.emplace_back("--listener");
    out.push_back(format(listener));
  }
  for (const auto& [app, port] : handover.sidecars) {
    out.emplace_back("--port");
    out.push_back(fmt::format("{}.sidecar={}", app, port));
  }
  return out;
}

}  // namespace trilby::app
