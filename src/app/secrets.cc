#include "app/secrets.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "app/manifest_grants.h"
#include "app/small_file.h"
#include "policy/environment.h"

namespace trilby::app {
namespace {

constexpr std::size_t kReadBytes = kMaxValueBytes + 3;  // one more than fits with its line end

void wipe(std::vector<char>& value) {
  policy::wipe(value.data(), value.size());
}

Result<std::vector<char>> read_variable(const std::string& name) {
  const char* text = std::getenv(name.c_str());
  if (text == nullptr) {
    return fail(Reason::Manifest, "the environment has no variable {}", name);
  }
  return std::vector<char>(text, text + std::min(std::strlen(text), kReadBytes));
}

/// Takes one line end off, and says what keeps the rest from being a secret.
std::string_view trim(std::vector<char>& value) {
  if (!value.empty() && value.back() == '\n') {
    value.pop_back();
    if (!value.empty() && value.back() == '\r') {
      value.pop_back();
    }
  }
  if (value.empty()) {
    return "is empty";
  }
  if (value.size() > kMaxValueBytes) {
    return "has more than 32KiB";
  }
  return std::find(value.begin(), value.end(), '\0') != value.end() ? "has a null character" : "";
}

}  // namespace

Secrets::~Secrets() {
  for (auto& [name, value] : values_) {
    wipe(value);
  }
}

Result<Secrets> Secrets::load(const Manifest& manifest, const std::function<bool(const Secret&)>& wanted) {
  Secrets secrets;
  for (const Secret& secret : manifest.secrets) {
    if (!wanted(secret)) {
      continue;
    }
    auto value = secret.variable.empty() ? read_small_file(secret.file, kReadBytes) : read_variable(secret.variable);
    const std::string defect(value ? std::string(trim(*value)) : value.error().message);
    if (!defect.empty()) {
      if (value) {
        wipe(*value);
      }
      return fail(Reason::Manifest, "{}:{}: secret.{}: {}{}", manifest.path.string(), secret.source.line, secret.name,
                  value ? "what it names " : "", defect);
    }
    secrets.values_.emplace(secret.name, std::move(*value));
  }
  return secrets;
}

const std::vector<char>* Secrets::find(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

void forget_secret_variables(const Manifest& manifest) {
  for (const Secret& secret : manifest.secrets) {
    if (char* text = secret.variable.empty() ? nullptr : std::getenv(secret.variable.c_str())) {
      policy::wipe(text, std::strlen(text));
    }
  }
}

}  // namespace trilby::app
