#include <system_error>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/workshop.h"

namespace trilby::cli {
namespace {

std::string_view word(wasm::Origin origin) {
  switch (origin) {
    case wasm::Origin::Cache:
      return "cached";
    case wasm::Origin::Compiled:
      return "compiled";
    case wasm::Origin::Rebuilt:
      return "rebuilt";
  }
  return "";
}

class Compile final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "compile",
            .summary = "Compile every function beforehand, so that \"trilby up\" starts at once",
            .details =
                "Fills the cache of compiled modules. A module whose code is there already, for this program and this "
                "machine, is "
                "left alone; one whose code is damaged is compiled anew.",
            .examples =
                "trilby compile\n"
                "trilby compile -m examples/images/trilby.toml -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.options = {manifest_.manifest_option(), cache_option(cache_), output_.option()};
    return out;
  }

  [[nodiscard]] int run() override {
    const auto loaded = manifest_.load();
    if (!loaded) {
      return report(loaded.error(), manifest_.mend());
    }
    const auto workshop = Workshop::open(loaded->manifest, cache_);
    if (!workshop) {
      return report(workshop.error());
    }
    if (!workshop->cache().writable()) {
      return report(
          {Reason::Manifest, fmt::format("compiled code cannot be kept in {}", workshop->cache().directory().string())},
          "mend that folder, or name another one with --aot-cache DIR");
    }
    const int exit_code = compile_all(loaded->manifest, *workshop);
    workshop->cache().tidy({}, std::chrono::system_clock::now());
    return exit_code;
  }

 private:
  [[nodiscard]] int compile_all(const app::Manifest& manifest, const Workshop& workshop) const {
    std::string document;
    JsonWriter json(document);
    json.open_object().member("cache", workshop.cache().directory().string()).key("functions").open_array();
    int exit_code = 0;
    for (std::size_t i = 0; i < manifest.functions.size(); ++i) {
      const app::Function& function = manifest.functions[i];
      announce(function, i + 1, manifest.functions.size());
      const auto prepared = workshop.prepare(function, nullptr);
      if (!prepared) {
        exit_code = report(prepared.error(), build_hint(function));
        continue;
      }
      const Duration took = (*prepared)->compile_time();
      json.open_object().member("function", function.name).member("code", word((*prepared)->origin()));
      json.member("took_us", took.count() / 1000).close_object();
      if (!output_.json()) {
        (void)print(fmt::format("{:<24} {:<8} in {}\n", function.name, word((*prepared)->origin()), format(took)));
      }
    }
    json.close_array().close_object();
    const int printed =
        print(output_.json() ? document + "\n"
                             : fmt::format("compiled code is in {}\n", workshop.cache().directory().string()));
    return exit_code != 0 ? exit_code : printed;
  }

  /// A large module takes seconds; whoever waits sees which one it is.
  static void announce(const app::Function& function, std::size_t number, std::size_t count) {
    std::error_code error;
    const auto size = std::filesystem::file_size(function.module, error);
    if (!error) {
      print_error(fmt::format("[{}/{}] {} ({} kB)\n", number, count, function.name, (size + 999) / 1000));
    }
  }

  ManifestOptions manifest_;
  OutputOption output_;
  std::string cache_;
};

}  // namespace

std::unique_ptr<Command> make_compile() {
  return std::make_unique<Compile>();
}

}  // namespace trilby::cli
