#include "app/tls_files.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "app/manifest_grants.h"
#include "app/small_file.h"
#include "app/tokens.h"
#include "app/wiring.h"
#include "base/log.h"
#include "http/server.h"
#include "policy/environment.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = 256U << 10U;  // of one file

/// Where a path leads to, as far as there is something.
fs::path real(const fs::path& path) {
  std::error_code error;
  fs::path found = fs::weakly_canonical(path, error);
  return error ? path : found;
}

bool is_within(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

/// Who else would get at a key, as in "app.web.route[2]". Empty: nobody.
std::string who_reaches(const Manifest& manifest, const fs::path& key) {
  for (const App& app : manifest.apps) {
    for (std::size_t i = 0; i < app.routes.size(); ++i) {
      const auto* files = std::get_if<FilesTarget>(&app.routes[i].target);
      if (files != nullptr && is_within(key, real(files->root))) {
        return fmt::format("app.{}.route[{}] serves", app.id, i + 1);
      }
    }
  }
  for (const Function& function : manifest.functions) {
    for (const policy::Directory& directory : function.policy.grants.directories) {
      if (is_within(key, real(directory.path))) {
        return fmt::format("function.{} is allowed to read", function.name);
      }
    }
  }
  return {};
}

/// Gives the content of `file` to `take`, and wipes it.
template <typename Take>
Result<void> use_file(const fs::path& file, const Take& take) {
  TRILBY_ASSIGN(std::vector<char> text, read_small_file(file, kMostBytes));
  auto taken = text.size() < kMostBytes ? take(std::string_view(text.data(), text.size()))
                                        : Result<void>(fail(Reason::Manifest, "has 256KiB or more"));
  policy::wipe(text.data(), text.size());
  if (!taken) {
    return fail(Reason::Manifest, "{} {}", file.string(), taken.error().message);
  }
  return {};
}

/// Whether any of its listeners needs it.
bool is_used(const App& app) {
  return app.public_address || has_tls(app.protocol);
}

ServedCertificate certificate_of(const App& app, const net::TlsContext& context) {
  return {app.id, app.tls->certificate.string(), context.valid_from(), context.valid_until()};
}

void warn_of_doubts(const App& app, const net::TlsContext& context) {
  const ServedCertificate certificate = certificate_of(app, context);
  certificate.warn(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  if (!is_used(app)) {
    log::warn("the certificate is not used: the app has no public address, and its app channel speaks no TLS",
              {{"app", app.id}, {"certificate", certificate.file}, {"mend", R"(protocol = "https")"}});
  }
}

}  // namespace

Result<std::shared_ptr<const net::TlsContext>> load_tls(const Manifest& manifest, const App& app) {
  forbid_core_files();
  TRILBY_ASSIGN(std::shared_ptr<net::TlsContext> context,
                net::TlsContext::create({http::kServedProtocols.begin(), http::kServedProtocols.end()}));
  const auto check = [&](std::string_view field, const Result<void>& result) -> Result<void> {
    if (result) {
      return {};
    }
    Error error{Reason::Manifest, fmt::format("app.{}.tls.{}: {}", app.id, field, result.error().message)};
    return fail(located(manifest, app.tls->source, std::move(error)));
  };
  TRILBY_CHECK(check("certificate", use_file(app.tls->certificate,
                                             [&](std::string_view pem) { return context->use_certificates(pem); })));
  if (const std::string who = who_reaches(manifest, real(app.tls->key)); !who.empty()) {
    TRILBY_CHECK(
        check("key", fail(Reason::Manifest, "{} lies where {} files; put it elsewhere", app.tls->key.string(), who)));
  }
  TRILBY_CHECK(check("key", use_file(app.tls->key, [&](std::string_view pem) { return context->use_key(pem); })));
  warn_of_doubts(app, *context);
  return context;
}

Result<std::vector<std::shared_ptr<const net::TlsContext>>> load_all_tls(const Manifest& manifest) {
  std::vector<std::shared_ptr<const net::TlsContext>> all;
  for (const App& app : manifest.apps) {
    auto& one = all.emplace_back();
    if (app.tls) {
      TRILBY_ASSIGN(one, load_tls(manifest, app));
    }
  }
  return all;
}

std::vector<ServedCertificate> served_certificates(const Manifest& manifest,
                                                   const std::vector<std::shared_ptr<const net::TlsContext>>& loaded) {
  std::vector<ServedCertificate> all;
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    if (loaded[i] && is_used(manifest.apps[i])) {
      all.push_back(certificate_of(manifest.apps[i], *loaded[i]));
    }
  }
  return all;
}

}  // namespace trilby::app
