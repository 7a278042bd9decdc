#include "http/target.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "http/characters.h"

namespace trilby::http {
namespace {

std::optional<std::string_view> after_scheme(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      return target.substr(scheme.size());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> reduce_target(std::string& target, std::string_view method) {
  if (!consists_of(target, kTarget)) {
    return std::nullopt;
  }
  if (target.starts_with('/')) {
    return std::string();
  }
  const bool is_options = method == "OPTIONS";
  if (target == "*") {
    return is_options ? std::optional<std::string>("") : std::nullopt;
  }
  const auto rest = after_scheme(target);
  if (!rest) {
    return std::nullopt;
  }
  const std::size_t end = std::min(rest->find_first_of("/?"), rest->size());
  std::string authority(rest->substr(0, end));
  if (authority.empty() || !is_host(authority)) {
    return std::nullopt;
  }
  std::string path(rest->substr(end));
  if (path.empty()) {
    path.push_back(is_options ? '*' : '/');
  } else if (path.front() == '?') {
    path.insert(path.begin(), '/');
  }
  target = std::move(path);
  return authority;
}

bool is_host(std::string_view host) {
  return consists_of(host, kHost);
}

}  // namespace trilby::http
