/// \file  Options that several commands share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "cli/syntax.h"

namespace trilby::cli {

/// Which manifest, and what stands above it.
class ManifestOptions {
 public:
  [[nodiscard]] Option manifest_option();
  [[nodiscard]] std::vector<Option> port_options();

  /// From here on load() gives one app of the manifest and what it needs, on `port` unless a flag or variable of ours
  /// says otherwise, with an app channel that speaks `protocol` if that is given, and an admin listener on any free
  /// port unless one of them does: others serve theirs beside it.
  void serve_only(std::string app, std::optional<std::uint16_t> port, std::optional<app::Protocol> protocol);

  struct Loaded {
    std::string text;
    app::Manifest manifest;
  };
  /// Reads the manifest and puts the environment's and the flags' values in force.
  [[nodiscard]] Result<Loaded> load() const;
  /// What may mend an error of load(); empty when its message says all.
  [[nodiscard]] std::string mend() const;

  std::string path = "trilby.toml";

 private:
  std::vector<std::string> ports_;
  std::string admin_port_;
  std::string only_app_;  // empty: all of them
  std::optional<std::uint16_t> told_port_;
  std::optional<app::Protocol> told_protocol_;
};

/// `-o text|json`
class OutputOption {
 public:
  [[nodiscard]] Option option();
  [[nodiscard]] bool json() const { return format_ == "json"; }

 private:
  std::string format_ = "text";
};

/// `--aot-cache DIR`
[[nodiscard]] Option cache_option(std::string& target);

/// Appends `more` to `options`.
void append(std::vector<Option>& options, std::vector<Option> more);

}  // namespace trilby::cli
