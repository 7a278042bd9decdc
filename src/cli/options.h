/// \file  Options that several commands share.
#pragma once

#include <filesystem>
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
