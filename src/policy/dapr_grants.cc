#include "policy/dapr_grants.h"

#include <algorithm>

#include "base/text.h"

namespace trilby::policy {
namespace {

bool is_name_character(char c) {
  return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_';
}

bool is_of(std::string_view text, std::size_t most, bool (*may_stand)(char)) {
  return !text.empty() && text.size() <= most && text != "." && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), may_stand);
}

bool may(const DaprGrants& grants, std::string_view wanted, bool StateAccess::* access) {
  return std::any_of(grants.state.begin(), grants.state.end(),
                     [&](const auto& grant) { return grant.second.*access && covers(grant.first, wanted); });
}

/// Of any key of the store. A grant's '*' stands behind its '/'.
bool may_of_store(const DaprGrants& grants, std::string_view store, bool StateAccess::* access) {
  return std::any_of(grants.state.begin(), grants.state.end(), [&](const auto& grant) {
    const std::string_view text = grant.first;
    return grant.second.*access && text.substr(0, text.find('/')) == store;
  });
}

/// A text with a '*' at its end, as one that it may stand for.
std::string one_of(std::string_view grant) {
  std::string text(grant);
  if (text.ends_with('*')) {
    text.back() = 'x';
  }
  return text;
}

}  // namespace

bool is_dapr_name(std::string_view text) {
  return is_of(text, kMaxDaprName, is_name_character);
}

bool is_dapr_key(std::string_view text) {
  return is_of(text, kMaxDaprRest, is_key_character);
}

bool is_dapr_secret(std::string_view text) {
  return is_dapr_key(text) && text != "bulk";
}

bool is_dapr_path(std::string_view text) {
  if (text.size() > kMaxDaprRest) {
    return false;
  }
  for (std::size_t end = text.find('/'); end != std::string_view::npos; end = text.find('/')) {
    if (!is_dapr_key(text.substr(0, end))) {
      return false;
    }
    text.remove_prefix(end + 1);
  }
  return is_dapr_key(text);
}

bool is_dapr_rest(std::string_view text, DaprRest kind) {
  switch (kind) {
    case DaprRest::Name:
      return is_dapr_name(text);
    case DaprRest::Key:
      return is_dapr_key(text);
    case DaprRest::Path:
      return is_dapr_path(text);
    case DaprRest::Secret:
      return is_dapr_secret(text);
    case DaprRest::None:
      return text.empty();
  }
  return false;
}

bool covers(std::string_view grant, std::string_view wanted) {
  return grant.ends_with('*') ? wanted.starts_with(grant.substr(0, grant.size() - 1)) : wanted == grant;
}

bool is_granted(const DaprGrants::Texts& grants, std::string_view wanted) {
  return std::any_of(grants.begin(), grants.end(), [&](const std::string& grant) { return covers(grant, wanted); });
}

bool may_read_state(const DaprGrants& grants, std::string_view wanted) {
  return may(grants, wanted, &StateAccess::read);
}

bool may_write_state(const DaprGrants& grants, std::string_view wanted) {
  return may(grants, wanted, &StateAccess::write);
}

bool may_read_store(const DaprGrants& grants, std::string_view store) {
  return may_of_store(grants, store, &StateAccess::read);
}

bool may_write_store(const DaprGrants& grants, std::string_view store) {
  return may_of_store(grants, store, &StateAccess::write);
}

std::string_view grant_defect(std::string_view text, DaprRest kind) {
  if (kind == DaprRest::None) {
    return is_dapr_name(one_of(text)) ? ""
                                      : "must be 1 to 128 letters, digits and '-._', with a '*' behind them or not";
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return "lacks a '/'";
  }
  if (!is_dapr_name(text.substr(0, slash))) {
    return "must begin with a name of 1 to 128 letters, digits and '-._'";
  }
  const std::string rest = one_of(text.substr(slash + 1));
  if (rest.find('*') != std::string::npos) {
    return "has a '*' that is not its last character";
  }
  if (is_dapr_rest(rest, kind)) {
    return "";
  }
  if (kind == DaprRest::Path) {
    return "must have 1 to 256 letters, digits, '-._~:@+=,' and single '/' behind its name";
  }
  return is_dapr_key(rest) ? "is no secret: a sidecar takes it for all that the store has"
                           : "must have 1 to 256 letters, digits and '-._~:@+=,' behind its first '/'";
}

}  // namespace trilby::policy
