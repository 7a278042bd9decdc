#include "triggers/problem.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace trilby::triggers {
namespace {

constexpr std::size_t kMaxDetail = 1024;

}  // namespace

std::string problem_document(Reason reason, int status, std::string_view detail, std::string_view request_id) {
  std::string out;
  JsonWriter json(out);
  json.open_object();
  json.member("type", fmt::format("urn:trilby:reason:{}", name(reason)));
  json.member("title", info(reason).title);
  json.member("status", status);
  if (!detail.empty()) {
    json.member("detail", printable_line(detail, kMaxDetail));
  }
  json.member("instance", fmt::format("urn:trilby:request:{}", request_id));
  json.member("reason", name(reason));
  json.member("request_id", request_id);
  json.close_object();
  return out;
}

}  // namespace trilby::triggers
