/// \file  The values of secrets, and how they come into a guest's environment.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

/// What a manifest's secrets say, read once at start. Values are overwritten when this goes; they are in no message, no
/// log and no setting. Ownership: one owner; views end with it.
class Secrets {
 public:
  Secrets() = default;
  Secrets(Secrets&&) = default;
  Secrets& operator=(Secrets&&) = default;
  ~Secrets();

  /// Reads those for which `wanted` says yes: a regular file or a variable, 1 byte to 32 KiB without nulls. One line
  /// end at the end is no part of it, for editors and `echo` leave one.
  /// \return Reason::Manifest with "file:line: secret.NAME: what is wrong"
  static Result<Secrets> load(const Manifest& manifest, const std::function<bool(const Secret&)>& wanted);

  /// \return null when it was not read
  [[nodiscard]] const std::vector<char>* find(std::string_view name) const;

 private:
  std::map<std::string, std::vector<char>, std::less<>> values_;
};

/// Overwrites the values of variables that secrets were read from, so that this process's environment does not show
/// them any more. The names stay, with nothing behind them.
void forget_secret_variables(const Manifest& manifest);

}  // namespace trilby::app
